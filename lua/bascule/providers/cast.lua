-- Cast.ph (https://api.cast.ph): sends by POST sms/send, is asked for receipts by GET sms/status/{id}.
--
-- "success": true means that Cast took the message, not that a phone has it. A first answer is kept for a day under
-- X-Idempotency-Key, so what was lost on the way can be asked for again. Landlines are refused here: SMS cannot reach
-- them. The account and the limits are CAST_*; settings of the same names in lower case override them for a location.
local config = require "host.config"
local crypto = require "host.crypto"
local http = require "host.http"
local json = require "host.json"
local phone = require "host.phone"

local failure = require "bascule.failure"

---@type bascule.Provider
local cast = { name = "cast", idempotent = true, receipts = true }

local rate_pause_ms <const> = 1000 -- where a 429 names no time: a second of the account's ten messages a second

local legacy_prefix <const> = "/api" -- of the API's old edition, which takes shorter sender ids
local sender_limits <const> = { [legacy_prefix] = 11, default = 20 }

-- error_code -> kind, and what a person should know where the code does not say it.
local kinds_by_code <const> = {
  INVALID_REQUEST = { "permanent" },
  VALIDATION_ERROR = { "permanent" },
  NOT_FOUND = { "permanent" },
  METHOD_NOT_ALLOWED = { "permanent" },
  ALREADY_UNSUBSCRIBED = { "permanent", "The number has unsubscribed from this sender." },
  INVALID_API_KEY = { "unauthorized", "Cast.ph does not know the API key." },
  API_KEY_REVOKED = { "unauthorized", "The Cast.ph API key was revoked." },
  API_KEY_EXPIRED = { "unauthorized", "The Cast.ph API key has expired." },
  USER_INACTIVE = { "unauthorized", "The Cast.ph account is inactive." },
  IP_NOT_WHITELISTED = { "unauthorized", "Cast.ph does not accept this server's address for the account." },
  CHANNEL_NOT_ALLOWED = { "unauthorized", "SMS is not enabled for the Cast.ph account." },
  INSUFFICIENT_CREDITS = { "insufficient_credit", "The Cast.ph account has no credit left." },
  CREDIT_LIMIT_REACHED = { "insufficient_credit", "The Cast.ph account has reached its credit limit." },
  RATE_LIMIT_EXCEEDED = { "rate_limited" },
  SERVICE_UNAVAILABLE = { "retryable" },
  INTERNAL_ERROR = { "unknown" },
  PROVIDER_ERROR = { "unknown" },
}

-- For answers without an error_code (older edition, or a proxy before Cast).
local kinds_by_status <const> = {
  [401] = "unauthorized",
  [402] = "insufficient_credit",
  [403] = "unauthorized",
  [408] = "retryable",
  [425] = "retryable",
  [429] = "rate_limited",
  [503] = "retryable",
}

-- The carrier's word counts where there is one; Cast's status else.
local receipts_by_carrier <const> = {
  DELIVRD = "delivered",
  ACCEPTD = "pending",
  ENROUTE = "pending",
  UNDELIV = "undelivered",
  REJECTD = "undelivered",
  EXPIRED = "undelivered",
  DELETED = "undelivered",
}
local receipts_by_status <const> = {
  sent = "pending",
  pending = "pending",
  delivered = "delivered",
  undelivered = "undelivered",
  failed = "undelivered",
}
local carrier_words <const> = {
  UNDELIV = "The carrier could not deliver the message.",
  REJECTD = "The carrier rejected the message.",
  EXPIRED = "The phone was not reached in time.",
  DELETED = "The carrier deleted the message.",
}

local function setting(settings, name)
  return settings[name] or config.get(name:upper())
end

local function key_of(settings)
  return setting(settings, "cast_api_key")
end

local function region_of(settings)
  return settings.default_region or config.get "BASCULE_DEFAULT_REGION" or "PH"
end

local function refusal(kind, code, reason)
  return { outcome = "refused", kind = kind, code = code, reason = reason, provider = cast.name }
end

-- ---- prepare

-- Number plans age, so libphonenumber's "not valid" is only a hint; its "valid, and no mobile" is not.
local function number_for(to, settings)
  local number, why, name = phone.parse(to, region_of(settings))
  if not number then
    return nil, ("%s: %s"):format(to, failure.words(why, name))
  elseif number.valid and not number.mobile then
    return nil, to .. " is a landline, which SMS cannot reach"
  elseif setting(settings, "cast_number_format") == "e164" then
    return number.e164
  elseif number.region ~= "PH" then
    return nil, to .. " is no Philippine number; the setting cast_number_format e164 sends to other countries"
  elseif not number.national:match "^0[89]%d%d%d%d%d%d%d%d%d$" then
    return nil, to .. " is no Philippine mobile number"
  end
  return number.national
end

local function sender_of(message, settings)
  local sender = message.sender or settings.sender_id or config.get "CAST_SENDER_ID"
  return sender ~= "" and sender or nil
end

local function content_fault(body, sender, settings)
  local length, limit = utf8.len(body), math.tointeger(tonumber(setting(settings, "cast_message_limit")))
  local sender_limit = sender_limits[setting(settings, "cast_path_prefix")] or sender_limits.default
  if length == 0 then
    return "EMPTY_MESSAGE", "There is no text to send."
  elseif not length or length > limit then
    return "MESSAGE_TOO_LONG", ("The text has %d characters; the limit is %d."):format(length or #body, limit)
  elseif sender and #sender > sender_limit then
    return "SENDER_TOO_LONG", ("The sender id %s is longer than %d characters."):format(sender, sender_limit)
  end
end

function cast.prepare(message, settings)
  local to, why = number_for(message.to, settings)
  if not to then
    return nil, refusal("invalid_number", "INVALID_NUMBER", why)
  end
  local body, sender = message.body or "", sender_of(message, settings)
  local code, words = content_fault(body, sender, settings)
  if code then
    return nil, refusal("permanent", code, words)
  elseif not key_of(settings) then
    words = "No Cast.ph API key: set CAST_API_KEY, or the location's cast_api_key."
    return nil, refusal("unauthorized", "NO_API_KEY", words)
  end
  return { to = to, body = body, sender = sender }
end

--- The account is its key; what names it in logs and metrics must not give the key away.
function cast.destination(settings)
  return "cast:" .. crypto.sha256(key_of(settings) or ""):sub(1, 12)
end

-- ---- send

local function request(method, path, settings, headers, body)
  headers["x-api-key"] = key_of(settings)
  headers["accept"] = "application/json"
  return http.request {
    method = method,
    url = config.get "CAST_API_BASE" .. setting(settings, "cast_path_prefix") .. path,
    headers = headers,
    body = body,
    idempotent = method == "GET",
  }
end

local function decoded(answer)
  local body = json.decode(answer.body)
  return type(body) == "table" and body or nil
end

local function text(value)
  return type(value) == "string" and value ~= "" and value or nil
end

local function retry_after_of(answer)
  local seconds = tonumber(answer.headers["retry-after"] or "")
  return seconds and seconds >= 0 and math.ceil(seconds * 1000) or nil
end

local function unknown(reason, code, event)
  return { outcome = "unknown", reason = reason, code = code, idempotent = true, provider = cast.name, event = event }
end

local function not_answered(why, name, sent)
  local reason = "Cast.ph did not answer: " .. failure.words(why, name)
  return sent and unknown(reason, name) or refusal("retryable", name, reason)
end

local function event_of(answer)
  local replayed = answer.headers["x-idempotent-replay"] == "true" or nil
  return { status = answer.status, elapsed_ms = answer.elapsed_ms, replayed = replayed }
end

local function kind_of(answer, code)
  local row = code and kinds_by_code[code]
  if row then
    return row[1], row[2]
  elseif kinds_by_status[answer.status] then
    return kinds_by_status[answer.status]
  end
  return answer.status >= 500 and "unknown" or "permanent"
end

local function refused(answer, body, event)
  local code = text(body.error_code)
  local kind, words = kind_of(answer, code)
  local said = text(body.error) or text(body.message) or "HTTP status " .. answer.status
  local reason = words and ("%s (%s)"):format(words, said) or "Cast.ph: " .. said
  code = code or "HTTP_" .. answer.status
  if kind == "unknown" then
    return unknown(reason, code, event)
  end
  local outcome = refusal(kind, code, reason)
  outcome.event = event
  outcome.retry_after_ms = retry_after_of(answer) or kind == "rate_limited" and rate_pause_ms or nil
  return outcome
end

local function accepted(body, event)
  local id = text(body.message_id)
  event.parts = math.type(body.parts) == "integer" and body.parts or nil
  return {
    outcome = "accepted",
    provider = cast.name,
    provider_message_id = id,
    receipt = id ~= nil,
    event = event,
  }
end

local function read_answer(answer)
  local body, event = decoded(answer), event_of(answer)
  local good = answer.status >= 200 and answer.status <= 299
  if good and not body then
    return unknown("Cast.ph answered without JSON", "BAD_ANSWER", event)
  elseif good and body.success == true then
    return accepted(body, event)
  end
  return refused(answer, body or {}, event)
end

function cast.send(prepared, settings, idempotency_key)
  local headers = { ["content-type"] = "application/json", ["x-idempotency-key"] = idempotency_key }
  local body = assert(json.encode { to = prepared.to, message = prepared.body, sender_id = prepared.sender })
  local answer, why, name, sent = request("POST", "/sms/send", settings, headers, body)
  if not answer then
    return not_answered(why, name, sent)
  end
  return read_answer(answer)
end

-- ---- receipt

local function read_receipt(body)
  local carrier, status = text(body.dlr_status), text(body.status)
  local receipt = receipts_by_carrier[carrier] or receipts_by_status[status]
  if receipt ~= "undelivered" then
    return { receipt = receipt or "pending", event = { status = status, carrier = carrier } }
  end
  local reason = text(body.error_message) or carrier_words[carrier] or "Cast.ph could not hand the message over."
  return {
    receipt = receipt,
    code = carrier or status:upper(),
    reason = reason,
    event = { status = status, carrier = carrier },
  }
end

--- Refusals of the status call say nothing about the message: it is asked again later.
function cast.receipt(message, settings)
  if not key_of(settings) then
    return { receipt = "unavailable", reason = "no Cast.ph API key" }
  end
  local path = "/sms/status/" .. http.escape(message.provider_message_id)
  local answer, why, name = request("GET", path, settings, {})
  if not answer then
    return { receipt = "unavailable", reason = failure.words(why, name), code = name }
  end
  local body = decoded(answer)
  if answer.status == 404 then
    return { receipt = "pending", reason = "Cast.ph does not know the message", code = "NOT_FOUND" }
  elseif answer.status ~= 200 or not body or body.success ~= true then
    local code, wait_ms = body and text(body.error_code) or "HTTP_" .. answer.status, retry_after_of(answer)
    return { receipt = "unavailable", reason = "Cast.ph answered " .. code, code = code, wait_ms = wait_ms }
  end
  return read_receipt(body)
end

return cast
