-- What the specs of delivery are made of: GHL's payload, a message as the queue hands it over, the provider's answers.
local json = require "support.fake_json"

local deliveries = {}

local function with(fields, changes)
  for name, value in pairs(changes or {}) do
    fields[name] = value
  end
  return fields
end

--- GHL's webhook as text.
---@param changes? table
---@return string
function deliveries.payload(changes)
  return json.encode(with({
    contactId = "ct1", locationId = "loc1", messageId = "msg1", type = "SMS", phone = "+639171234567",
    message = "Kumusta", attachments = json.array {}, userId = "usr1", surprise = { count = 1 },
  }, changes))
end

---@param changes? table
---@return bascule.Message
function deliveries.message(changes)
  return with({
    id = "m1", direction = "outbound", state = "queued", location = "loc1", company = "co1", external_id = "msg1",
    conversation = "ct1", payload = deliveries.payload(), attempts = 0, polls = 0, epoch = 0,
    outcome_unknown = false, report_attempts = 0, lease = 7, created_ms = 0,
  }, changes)
end

--- Cast's answer to a message that it took.
deliveries.good = { status = 200, body = '{"success":true,"message_id":"CAST1","parts":1}' }

---@param id string
---@return table
function deliveries.accepted(id)
  return { status = 200, body = ('{"success":true,"message_id":"%s","parts":1}'):format(id) }
end

return deliveries
