-- What GHL posts: messages for the provider (its "delivery URL") and platform events, told apart by `type`.
--
-- In this order: the signature over the raw bytes, JSON, the fields, one durable commit, the answer. A 200 says that
-- the message is kept; what cannot be kept now is answered 429. What is understood and not wanted is answered 200 too:
-- any other status would have GHL send it again, up to twelve times.
--
-- The content type is not asked for: the signature says who wrote the body and the parser what it is, and people who
-- try this with curl send JSON as a form.
local config = require "host.config"
local crypto = require "host.crypto"
local json = require "host.json"
local log = require "host.log"
local metrics = require "host.metrics"
local queue = require "host.queue"
local scripts = require "host.scripts"
local store = require "host.store"

local events = require "bascule.handlers.events"
local failure = require "bascule.failure"
local respond = require "bascule.respond"

local webhooks = {}

-- The provider's idempotency key is "location:message" within 255 characters.
local longest_id <const> = 120
local retry_after_seconds <const> = 10

local refusals <const> = {
  MISSING = { "missing_signature", "The request has no signature (X-GHL-Signature or X-WH-Signature)." },
  MALFORMED = { "invalid_signature", "The signature is not one that a configured key can have made." },
  WRONG = { "invalid_signature", "The signature does not belong to this body." },
}

local function unsigned(request, name)
  local code, message = table.unpack(refusals[name] or refusals.WRONG)
  metrics.add("bascule_webhooks_refused_total", "reason=" .. code)
  log.warn("webhook refused", { reason = code, peer = request.peer, bytes = #request.body })
  return respond.error(request, 401, code, message)
end

local function bad(request, code, message)
  metrics.add("bascule_webhooks_refused_total", "reason=" .. code)
  return respond.error(request, 400, code, message)
end

local function later(request, reason)
  metrics.add("bascule_webhooks_refused_total", "reason=busy")
  return respond.later(request, "busy", reason, retry_after_seconds)
end

local function ignored(reason)
  metrics.add("bascule_webhooks_total", "result=ignored")
  return respond.json(200, { status = "ignored", reason = reason })
end

-- Reading the fields. The three below raise {code, message}, which read() turns into a refusal.

-- A text field: its value, or nil where it is absent, null or empty.
local function text(payload, name)
  local value = payload[name]
  if value == nil or value == "" or value == json.null then
    return nil
  end
  if type(value) ~= "string" then
    error({ "invalid_field", ("The field %s must be text."):format(name) }, 0)
  end
  return value
end

local function required(payload, name)
  return text(payload, name) or error({ "missing_field", ("The field %s is missing or empty."):format(name) }, 0)
end

local function identifier(payload, name)
  local value = required(payload, name)
  if #value > longest_id then
    error({ "invalid_field", ("The field %s is longer than %d bytes."):format(name, longest_id) }, 0)
  end
  return value
end

local function has_attachments(payload)
  local list = payload.attachments
  if list == nil or list == json.null then
    return false
  end
  if type(list) ~= "table" or (next(list) ~= nil and #list == 0) then
    error({ "invalid_field", "The field attachments must be a list." }, 0)
  end
  for index, url in ipairs(list) do
    if type(url) ~= "string" then
      error({ "invalid_field", ("The field attachments[%d] must be text."):format(index - 1) }, 0)
    end
  end
  return #list > 0
end

local function read_message(payload)
  local id, location = identifier(payload, "messageId"), identifier(payload, "locationId")
  local phone = required(payload, "phone")
  if not has_attachments(payload) and not text(payload, "message") then
    error({ "missing_field", "The field message is missing or empty, and there are no attachments." }, 0)
  end
  return {
    id = id,
    location = location,
    company = text(payload, "companyId"),
    conversation = text(payload, "conversationId") or text(payload, "contactId") or phone,
  }
end

local email_fields <const> = { "emailTo", "emailFrom", "emailMessageId", "html", "subject" }

-- An additional channel's SMS may come as "Custom"; so does the e-mail of a custom e-mail channel.
local function is_email(payload, kind)
  if kind ~= "Custom" or text(payload, "phone") then
    return kind == "Email"
  end
  for _, name in ipairs(email_fields) do
    if payload[name] ~= nil and payload[name] ~= json.null then
      return true
    end
  end
  return false
end

local function classify(payload)
  local kind = required(payload, "type")
  if is_email(payload, kind) then
    return "email"
  elseif kind == "SMS" or kind == "Custom" then
    return "message", read_message(payload)
  end
  return "event", kind
end

-- What a payload is, with what is to be kept of a message, or with the name of an event; or nil and the refusal.
---@return "email"|"message"|"event"|nil class
---@return any value
local function read(payload)
  local ok, class, value = pcall(classify, payload)
  if ok then
    return class, value
  elseif type(class) == "table" then
    return nil, class
  end
  error(class, 0)
end

local function keep(request, message, key)
  if not queue.accepts() then
    return later(request, "Too many messages wait, or this server is about to stop.")
  end
  local id, duplicate, name = store.message_accept {
    direction = "outbound",
    location = message.location,
    company = message.company,
    external_id = message.id,
    conversation = message.conversation,
    payload = request.body,
    received = { request_id = request.id, key = key, generation = scripts.generation() },
  }
  if not id then
    log.error("webhook not kept", { location = message.location, reason = failure.words(duplicate, name) })
    return later(request, "The message could not be stored.")
  end
  if duplicate then
    metrics.add("bascule_webhooks_total", "result=duplicate")
    return respond.json_text(200, '{"status":"duplicate","id":"' .. id .. '"}')
  end
  queue.wake(message.location)
  metrics.add("bascule_webhooks_total", "result=queued")
  return respond.json_text(200, '{"status":"queued","id":"' .. id .. '"}')
end

local function handle_event(request, kind, payload)
  local outcome, reason = events.handle(kind, payload)
  if outcome == "ignored" then
    return ignored(reason)
  elseif outcome == "busy" then
    return later(request, reason)
  end
  metrics.add("bascule_webhooks_total", "result=event")
  return respond.json(200, { status = outcome, reason = reason })
end

local function handle_genuine(request, key)
  local payload, why, name = json.decode(request.body)
  if name then
    return bad(request, "invalid_json", "The body is not valid JSON: " .. failure.words(why, name))
  elseif type(payload) ~= "table" then
    return bad(request, "invalid_json", "The body must be a JSON object.")
  end
  local class, value = read(payload)
  if not class then
    return bad(request, value[1], value[2])
  elseif class == "message" then
    return keep(request, value, key)
  elseif class == "email" then
    return ignored("Bascule carries SMS; e-mail is not for it.")
  end
  return handle_event(request, value, payload)
end

---@param request host.Request
---@return bascule.Answer
function webhooks.ghl(request)
  local current, legacy = request:header "x-ghl-signature", request:header "x-wh-signature"
  local key, _, name = crypto.verify_webhook(request.body, current, legacy)
  if not key then
    return unsigned(request, name)
  end
  return handle_genuine(request, key)
end

--- The second way in, for deliveries that GHL does not sign: a secret in the path, where the operator set one.
---@param request host.Request
---@param parameters {secret: string}
---@return bascule.Answer
function webhooks.ghl_with_secret(request, parameters)
  local secret = config.get "BASCULE_WEBHOOK_PATH_SECRET"
  if not secret or not crypto.equal(parameters.secret, secret) then
    if secret then
      metrics.add("bascule_webhooks_refused_total", "reason=path_secret")
    end
    return respond.error(request, 404, "not_found", "There is nothing at this path.")
  end
  return handle_genuine(request, "path secret")
end

return webhooks
