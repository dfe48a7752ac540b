-- Messages for specs: as the host makes them for rules, with fixed values for what a spec leaves out; and events from
-- files.
local json = require "host.json"

local road = require "bascule.messages"
local suggest = require "bascule.suggest"

local messages = {}

local outbound_keys <const> = {
  "type", "to", "body", "sender", "provider", "reference", "attachments", "message_id", "contact_id", "conversation_id",
  "user_id", "contact", "payload",
}
local inbound_keys <const> = {
  "from", "to", "body", "attachments", "provider", "message_id", "contact_id", "conversation_id", "contact", "payload",
}
local report_keys <const> = { "status", "error", "to", "body", "provider", "message_id", "attempts" }

local function with(defaults, fields, names)
  fields = fields or {}
  suggest.check_options(fields, names, 4)
  for name, value in pairs(fields) do
    defaults[name] = value
  end
  if defaults.contact then
    defaults.contact = messages.contact(defaults.contact)
  end
  return defaults
end

--- A contact as `needs = { "contact" }` gives it.
---@param fields table
---@param id? string
---@return bascule.Contact
function messages.contact(fields, id)
  local contact = { id = id or "contact1", tags = json.array {}, dnd = false, custom = {} }
  for name, value in pairs(fields) do
    contact[name] = value
  end
  return contact
end

function messages.outbound(fields)
  return with({
    type = "SMS",
    to = "+639171234567",
    body = "Kumusta",
    attachments = {},
    contact_id = "contact1",
    message_id = "message1",
    payload = {},
  }, fields, outbound_keys)
end

function messages.inbound(fields)
  return with({
    from = "+639171234567",
    to = "ACME",
    body = "Salamat",
    attachments = {},
    provider = "cast",
    message_id = "message1",
    payload = {},
  }, fields, inbound_keys)
end

function messages.report(fields)
  return with({
    status = "delivered",
    to = "+639171234567",
    body = "Kumusta",
    message_id = "message1",
    attempts = 1,
  }, fields, report_keys)
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

--- The outbound message that the host makes of GHL's webhook, or the message of another event (`bascule rules run`),
--- from a file of JSON: testing.event "agencies/acme/fixtures/outbound.json".
---@param path string
---@return table message as testing.message
function messages.event(path)
  local event, why = json.decode(read(path))
  if type(event) ~= "table" then
    error(path .. ": " .. tostring(why or "no JSON object"), 2)
  end
  local make = messages[event["function"] or "outbound"]
  if event["function"] then
    return make(event.message)
  end
  return road.outbound(event)
end

return messages
