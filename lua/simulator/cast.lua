-- Cast.ph's SMS API: send with its idempotency key, status, balance; under /api/v1 and under /api.
--
-- The last four digits of a number decide what becomes of a message, so that a failure can be had without a switch:
--
--   refused at once    0400 VALIDATION_ERROR     0401 INVALID_API_KEY       0402 INSUFFICIENT_CREDITS
--                      0403 API_KEY_REVOKED      0422 ALREADY_UNSUBSCRIBED  0429 RATE_LIMIT_EXCEEDED
--                      0500 INTERNAL_ERROR       0502 PROVIDER_ERROR        0503 SERVICE_UNAVAILABLE
--   accepted, then     0404 undelivered          0410 failed                0408 no receipt ever comes
--   accepted, but      0504 the first answer is lost
--   all others         delivered
local faults = require "simulator.faults"
local json = require "host.json"
local options = require "simulator.options"
local respond = require "bascule.respond"
local time = require "host.time"
local world = require "simulator.world"

local cast = {}

local idempotency_ms = 24 * 3600 * 1000
local body_limit, key_limit = 10000, 255

local codes = {
  [400] = "VALIDATION_ERROR", [401] = "INVALID_API_KEY", [402] = "INSUFFICIENT_CREDITS", [403] = "API_KEY_REVOKED",
  [404] = "NOT_FOUND", [405] = "METHOD_NOT_ALLOWED", [422] = "ALREADY_UNSUBSCRIBED", [429] = "RATE_LIMIT_EXCEEDED",
  [500] = "INTERNAL_ERROR", [502] = "PROVIDER_ERROR", [503] = "SERVICE_UNAVAILABLE",
}

local first_answers = {} -- API key and idempotency key -> {at_ms, send, body}
local sends = {} -- message id -> {send, at_ms, api_key, number}
local seconds = {} -- API key -> {began_ms, used}
local credits_used = 0

local function refuse(status, text, code, retry_after_s)
  world.count("cast", "refused")
  local headers = { ["retry-after"] = retry_after_s and ("%d"):format(retry_after_s) or nil }
  return respond.json(status, { success = false, error = text, error_code = code or codes[status] }, headers)
end

local function is_known_key(key)
  if not key or key == "" then
    return false
  end
  for _, known in ipairs(options.cast_keys) do
    if known == key then
      return true
    end
  end
  return #options.cast_keys == 0
end

local extended = "[%^{}\\%[%]~|]"

--- Parts of a text: 160 or 153 characters of GSM-7, or 70 or 67 units of UTF-16. Of GSM-7 only its ASCII part is
--- known here: any other character makes the text Unicode.
local function parts_of(text)
  local units, single, joined = 0, 160, 153
  if text:find "[\x80-\xff]" then
    single, joined = 70, 67
    for _, code in utf8.codes(text) do
      units = units + (code > 0xffff and 2 or 1)
    end
  else
    units = #text + select(2, text:gsub(extended, ""))
  end
  return units <= single and 1 or math.ceil(units / joined)
end

local function text_within(value, least, most)
  local length = type(value) == "string" and utf8.len(value)
  return length and length >= least and length <= most
end

--- What is wrong with a send, or nil.
local function fault_of(body, idempotency_key)
  if type(body) ~= "table" then
    return "the body must be a JSON object"
  end
  if not text_within(body.to, 7, 20) or body.to:find "[^%d+() -]" then
    return "to must be 7 to 20 characters of a phone number"
  end
  if not text_within(body.message, 1, body_limit) then
    return ("message must be 1 to %d characters"):format(body_limit)
  end
  if body.sender_id ~= nil and not text_within(body.sender_id, 1, 20) then
    return "sender_id must be 1 to 20 characters"
  end
  if body.scheduled_at ~= nil then
    return "scheduled_at is not simulated"
  end
  if idempotency_key and #idempotency_key > key_limit then
    return "X-Idempotency-Key must be no longer than 255 characters"
  end
end

--- Counts a message against the limit of its second; true where it is over.
local function over_limit(api_key)
  local limit = faults.value("cast", "rate_limit", options.cast_rate_limit)
  if limit == 0 then
    return false
  end
  local now = time.monotonic_ms()
  local second = seconds[api_key]
  if not second or now - second.began_ms >= 1000 then
    second = { began_ms = now, used = 0 }
    seconds[api_key] = second
  end
  second.used = second.used + 1
  return second.used > limit
end

--- The answer of a request with this key that was accepted before, or nil.
local function replay(cache_key)
  local first = first_answers[cache_key]
  if not first or time.now_ms() - first.at_ms > idempotency_ms then
    return nil
  end
  first.send.asked = first.send.asked + 1
  world.count("cast", "replays")
  return respond.json(200, first.body, { ["x-idempotent-replay"] = "true" })
end

--- Accepts a message: one row of the ledger.
local function accept(body, api_key, idempotency_key, parts)
  local now = time.now_ms()
  local send = {
    at = time.iso(now), to = body.to, message = body.message, sender_id = body.sender_id, parts = parts,
    idempotency_key = idempotency_key, message_id = "CAST" .. world.new_id(), asked = 1,
  }
  table.insert(world.ledger.sends, send)
  sends[send.message_id] = { send = send, at_ms = now, api_key = api_key, digits = body.to:gsub("%D", ""):sub(-4) }
  credits_used = credits_used + parts
  return send
end

local function number_refusal(to)
  local status = tonumber((to:gsub("%D", ""):match "0(%d%d%d)$"))
  if status and status ~= 404 and codes[status] then
    return refuse(status, "refused as this number always is", nil, status == 429 and 1 or nil)
  end
end

local function accepted(body, request, api_key)
  local idempotency_key = request:header "x-idempotency-key"
  local cache_key = idempotency_key and api_key .. "\0" .. idempotency_key
  local before = cache_key and replay(cache_key)
  if before then
    return before
  end
  if over_limit(api_key) then
    return refuse(429, "rate limit exceeded", nil, 1)
  end
  local parts = parts_of(body.message)
  if credits_used + parts > options.cast_credits then
    return refuse(402, "insufficient credits")
  end
  local send = accept(body, api_key, idempotency_key, parts)
  local answer = { success = true, message_id = send.message_id, parts = parts }
  if cache_key then
    first_answers[cache_key] = { at_ms = time.now_ms(), send = send, body = answer }
  end
  return respond.json(200, answer), body.to:match "0504$" ~= nil
end

--- Answers a send; true beside it where the answer is to be lost.
local function send_message(request, api_key)
  local body, reason = json.decode(request.body)
  if body == nil then
    return refuse(400, reason, "INVALID_REQUEST")
  end
  local fault = fault_of(body, request:header "x-idempotency-key")
  if fault then
    return refuse(400, fault)
  end
  local refusal = number_refusal(body.to)
  if refusal then
    return refusal
  end
  return accepted(body, request, api_key)
end

-- What the receipt says in the end, by the last four digits of the number.
local ends = {
  ["0404"] = { status = "undelivered", dlr_status = "UNDELIV", error_message = "absent subscriber" },
  ["0410"] = { status = "failed", error_message = "the carrier did not take it" },
  ["0408"] = { status = "sent" },
}

local function receipt_of(entry)
  local delay_ms = faults.value("cast", "delay_ms", options.cast_delay_ms)
  local age_ms = time.now_ms() - entry.at_ms
  local last = ends[entry.digits]
  if age_ms >= delay_ms then
    return last or { status = "delivered", dlr_status = "DELIVRD", delivered_at = time.iso(entry.at_ms + delay_ms) }
  end
  if age_ms >= delay_ms // 2 and not last then
    return { status = "pending", dlr_status = "ACCEPTD" }
  end
  return { status = "sent" }
end

local function status(_, api_key, parameters)
  world.count("cast", "status_requests")
  local entry = sends[parameters.id]
  if not entry or entry.api_key ~= api_key then
    return refuse(404, "message not found")
  end
  local body = { success = true, message_id = parameters.id, sent_at = entry.send.at }
  for name, value in pairs(receipt_of(entry)) do
    body[name] = value
  end
  return respond.json(200, body)
end

local function balance()
  return respond.json(200, { success = true, credits = options.cast_credits - credits_used, currency = "PHP" })
end

--- What every call has in common: faults and the API key.
local function guarded(handler)
  return function(request, parameters)
    world.count("cast", "requests")
    local api_key = request:header "x-api-key"
    local strike = faults.strike("cast", request.path, api_key)
    if strike.status then
      return refuse(strike.status, "a fault that was switched on", strike.error_code, strike.retry_after_s)
    end
    if not is_known_key(api_key) then
      return refuse(401, "invalid API key")
    end
    local answer, lost = handler(request, api_key, parameters)
    if strike.drop or lost then
      world.count("cast", "dropped")
      return faults.dropped()
    end
    return answer
  end
end

cast.routes = {}
for _, prefix in ipairs { "/api/v1", "/api" } do
  table.insert(cast.routes, { "POST", prefix .. "/sms/send", guarded(send_message) })
  table.insert(cast.routes, { "GET", prefix .. "/sms/status/:id", guarded(status) })
  table.insert(cast.routes, { "GET", prefix .. "/account/balance", guarded(balance) })
end

return cast
