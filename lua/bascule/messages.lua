-- What a rule sees of a message: made of GHL's payload, for the road and for dry runs.
local crypto = require "host.crypto"
local json = require "host.json"

local messages = {}

local function text(value)
  return type(value) == "string" and value or nil
end

--- An outbound message (bascule.OutboundMessage in lua/meta/rules.lua) of GHL's webhook.
---@param payload table decoded
---@return table
function messages.outbound(payload)
  return {
    type = payload.type,
    to = payload.phone,
    body = text(payload.message) or "",
    attachments = type(payload.attachments) == "table" and payload.attachments or json.array {},
    contact_id = text(payload.contactId),
    conversation_id = text(payload.conversationId),
    message_id = text(payload.messageId),
    user_id = text(payload.userId),
    payload = payload,
  }
end

--- A status that GHL is to hear (bascule.StatusReport).
---@param message bascule.Message
---@param payload table decoded
---@return table
function messages.report(message, payload)
  local given = messages.outbound(payload)
  return {
    status = message.report_status,
    error = message.report_status == "failed" and message.report_error or nil,
    to = given.to,
    body = given.body,
    provider = message.provider,
    message_id = message.external_id,
    attempts = message.attempts,
  }
end

--- The seed of a message's rule: of what names the message, so the same at each attempt and in a dry run. 52 bits: a
--- number that every Lua and JSON holds exactly.
---@param message bascule.Message
---@return integer
function messages.seed(message)
  local digest = crypto.sha256(message.location .. ":" .. message.external_id)
  return tonumber(digest:sub(1, 13), 16)
end

return messages
