-- The one way to call GHL's API. It picks the token, sets the Version that the path wants, renews the token once on
-- 401, repeats what is worth it, and keeps GHL's rate limits by a gate of each location (100 requests in 10 s and
-- 200,000 a day, counted by app and location; the answer's headers tell what is left).
--
-- A failure is a table {name, reason, status?, retry_after_ms?, trace_id?}. Names:
--   NOT_CONNECTED, REMOVED, INVALID  no token: somebody must connect (again)
--   CLOSED     the gate is closed, or no token can be had just now; nothing was asked
--   EARLY      GHL does not yet know the message as the provider's: ask again in seconds
--   RETRYABLE  connection, timeout, 429, 5xx
--   REFUSED    any other answer: the same request will be refused again
local config = require "host.config"
local gate = require "host.gate"
local http = require "host.http"
local json = require "host.json"
local log = require "host.log"
local metrics = require "host.metrics"
local time = require "host.time"

local errors = require "bascule.ghl.errors"
local failure = require "bascule.failure"
local tokens = require "bascule.ghl.tokens"

local client = {}

-- The dates are pinned: "v3" has other shapes.
local versions <const> = {
  { "/conversations", "2021-04-15" },
  { "/", "2021-07-28" },
}

local interval_ms <const> = 10000 -- GHL's burst interval, where its header does not say
local daily_pause_ms <const> = 15 * 60 * 1000 -- GHL does not say when its day ends
local pauses_ms <const> = { 250, 1000 } -- before the second and the third try

---@class bascule.GhlCall
---@field method? string default "GET"
---@field path string "/conversations/messages/..."
---@field query? table<string,string|number>
---@field body? table sent as JSON
---@field location? string whose token is used; else
---@field company? string
---@field tries? integer default: 3 for GET, else 1

---@class bascule.GhlAnswer
---@field status integer
---@field body table {} where GHL's answer is no JSON object
---@field trace_id? string

---@class bascule.GhlFailure
---@field name "NOT_CONNECTED"|"REMOVED"|"INVALID"|"CLOSED"|"EARLY"|"RETRYABLE"|"REFUSED"
---@field reason string
---@field status? integer
---@field retry_after_ms? integer
---@field trace_id? string

local function version_of(path)
  for _, row in ipairs(versions) do
    if path:sub(1, #row[1]) == row[1] then
      return row[2]
    end
  end
end

local function header_number(answer, name)
  return tonumber(answer.headers[name] or "")
end

-- How long the location must be left alone after this answer, or nil.
local function pause_of(answer)
  local retry_after = header_number(answer, "retry-after")
  local interval = header_number(answer, "x-ratelimit-interval-milliseconds") or interval_ms
  if header_number(answer, "x-ratelimit-daily-remaining") == 0 then
    log.warn("GHL's daily limit is used up", { daily = answer.headers["x-ratelimit-limit-daily"] or "" })
    return daily_pause_ms
  elseif answer.status == 429 then
    return retry_after and math.ceil(retry_after * 1000) or math.ceil(interval)
  elseif header_number(answer, "x-ratelimit-remaining") == 0 then
    return math.ceil(interval)
  end
end

local function leave(key, answer)
  local pause = answer and pause_of(answer)
  if pause then
    gate.leave(key, "paused", pause)
  elseif answer and answer.status < 500 then
    gate.leave(key, "answered")
  else
    gate.leave(key, "failed")
  end
  return pause
end

local function request_of(call, token)
  local url = config.get "GHL_API_BASE" .. call.path
  if call.query then
    url = url .. "?" .. http.form(call.query)
  end
  return {
    method = call.method or "GET",
    url = url,
    headers = {
      ["authorization"] = "Bearer " .. token.access_token,
      ["accept"] = "application/json",
      ["content-type"] = call.body and "application/json" or nil,
      ["version"] = version_of(call.path),
    },
    body = call.body and assert(json.encode(call.body)) or nil,
  }
end

local function read_failure(answer, pause)
  local told = errors.parse(answer)
  local name = "REFUSED"
  if errors.is_early(told) then
    name = "EARLY"
  elseif answer.status == 429 or answer.status == 408 or answer.status >= 500 then
    name = "RETRYABLE"
  end
  return {
    name = name,
    reason = ("GHL answered %d: %s"):format(answer.status, told.message),
    status = answer.status,
    retry_after_ms = pause,
    trace_id = told.trace_id,
  }
end

local function read_answer(answer)
  local body = json.decode(answer.body)
  body = type(body) == "table" and body or {}
  return { status = answer.status, body = body, trace_id = type(body.traceId) == "string" and body.traceId or nil }
end

-- One request through the gate.
---@return bascule.GhlAnswer? answer, bascule.GhlFailure? failure
local function try(call, token, key)
  local request = request_of(call, token)
  local open, wait_ms = gate.enter(key)
  if not open then
    local reason = "GHL's rate limit or its failures ask for a pause"
    return nil, { name = "CLOSED", reason = reason, retry_after_ms = wait_ms }
  end
  local answer, why, name = http.request(request)
  local pause = leave(key, answer)
  metrics.add("bascule_ghl_requests_total", "status=" .. (answer and answer.status or "none"))
  if not answer then
    return nil, { name = "RETRYABLE", reason = "GHL could not be asked: " .. failure.words(why, name) }
  elseif answer.status >= 200 and answer.status <= 299 then
    return read_answer(answer)
  end
  return nil, read_failure(answer, pause)
end

local function token_failure(reason, name)
  if name == "BUSY" or name == "REFUSED" then
    return { name = "CLOSED", reason = reason }
  end
  return { name = name, reason = reason }
end

-- A request whose token turns out to be dead is made once more with the next one.
local function try_renewing(call, token, key)
  local answer, fault = try(call, token, key)
  if answer or fault.status ~= 401 or fault.name == "EARLY" then
    return answer, fault, token
  end
  local renewed, reason, name = tokens.renew(token)
  if not renewed then
    return nil, token_failure(reason, name), token
  end
  answer, fault = try(call, renewed, key)
  return answer, fault, renewed
end

-- What a short wait may mend within this call; the rest is the caller's to wait for.
local function worth_another(fault)
  return fault.name == "RETRYABLE" and fault.status ~= 429
end

---@param call bascule.GhlCall
---@return bascule.GhlAnswer? answer, bascule.GhlFailure? failure
function client.request(call)
  local token, reason, name
  if call.location then
    token, reason, name = tokens.location(call.location, call.company)
  else
    token, reason, name = tokens.company(call.company)
  end
  if not token then
    return nil, token_failure(reason, name)
  end
  local key = "ghl:" .. (call.location or call.company)
  local tries = call.tries or (call.method or "GET") == "GET" and #pauses_ms + 1 or 1
  local answer, fault
  for attempt = 1, tries do
    answer, fault, token = try_renewing(call, token, key)
    if answer or not worth_another(fault) or attempt == tries then
      break
    end
    time.sleep(pauses_ms[attempt] or pauses_ms[#pauses_ms])
  end
  if fault then
    log.warn("GHL call failed", {
      path = call.path:match "^/[^/]*",
      location = call.location or "",
      reason = fault.reason,
      trace_id = fault.trace_id,
    })
  end
  return answer, fault
end

return client
