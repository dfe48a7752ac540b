-- What a rule sees of a message: made of GHL's payload, for the road and for dry runs.
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

return messages
