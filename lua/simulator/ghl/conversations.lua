-- Conversations, the status of messages, and inbound messages.
local api = require "simulator.ghl.api"
local faults = require "simulator.faults"
local json = require "host.json"
local options = require "simulator.options"
local time = require "host.time"
local world = require "simulator.world"

local conversations = {}

--- A message that a test signed itself is not known here: it counts as sent when its first status comes.
local function message_of(id, location)
  local message = world.messages[id]
  if not message then
    message = { location = location, conversation = world.new_id(), at_ms = time.now_ms() }
    world.messages[id] = message
  end
  return message
end

local function update_status(call)
  local message = message_of(call.path.messageId, call.grant.location)
  if message.location ~= call.grant.location then
    return api.foreign(call, message.location)
  end
  local now = time.now_ms()
  if now - message.at_ms < faults.value("ghl", "early_403_ms", options.early_403_ms) then
    world.count("ghl", "early_403")
    return api.error(403, "No conversation provider found for this message")
  end
  local heard = world.ledger.statuses
  local id, status = call.path.messageId, call.body.status
  heard[id] = heard[id] or json.array {}
  table.insert(heard[id], { at = time.iso(now), status = status, error = call.body.error })
  return 200, { conversationId = message.conversation, messageId = id, status = status }
end

--- The conversation of a contact, or nil.
---@param contact string
---@return table?
function conversations.of(contact)
  for _, conversation in pairs(world.conversations) do
    if conversation.contactId == contact then
      return conversation
    end
  end
end

---@param contact table
---@return table conversation
function conversations.create(contact)
  local conversation = {
    id = world.new_id(),
    contactId = contact.id,
    locationId = contact.locationId,
    dateAdded = world.now_iso(),
    lastMessageBody = "",
    unreadCount = 0,
  }
  world.conversations[conversation.id] = conversation
  return conversation
end

--- As a search shows it: the person's fields stand in it, empty where the contact has none.
local function listed(conversation)
  local contact = world.contacts[conversation.contactId]
  local name = contact.name or ""
  return {
    id = conversation.id,
    contactId = conversation.contactId,
    locationId = conversation.locationId,
    lastMessageBody = conversation.lastMessageBody,
    lastMessageType = "TYPE_SMS",
    type = "TYPE_PHONE",
    unreadCount = conversation.unreadCount,
    fullName = name,
    contactName = name,
    email = contact.email or "",
    phone = contact.phone or "",
  }
end

local function search(call)
  local query = call.query
  local status, body = api.foreign(call, query.locationId)
  if status then
    return status, body
  end
  local found = json.array {}
  for _, conversation in pairs(world.conversations) do
    local same_contact = not query.contactId or query.contactId == conversation.contactId
    if conversation.locationId == query.locationId and same_contact then
      found[#found + 1] = listed(conversation)
    end
  end
  table.sort(found, function(a, b) return a.id < b.id end)
  local page = json.array(table.move(found, 1, math.min(#found, tonumber(query.limit or 20)), 1, {}))
  return 200, { conversations = page, total = #found }
end

local function create(call)
  local body = call.body
  local status, refusal = api.foreign(call, body.locationId)
  if status then
    return status, refusal
  end
  local contact = world.contacts[body.contactId]
  if not contact or contact.locationId ~= body.locationId then
    return api.error(400, "Contact not found")
  end
  local known = conversations.of(contact.id)
  if known then
    return api.error(400, "Conversation already exists: " .. known.id)
  end
  local conversation = conversations.create(contact)
  return 201, {
    success = true,
    conversation = {
      id = conversation.id,
      contactId = contact.id,
      locationId = contact.locationId,
      dateAdded = conversation.dateAdded,
      dateUpdated = conversation.dateAdded,
      lastMessageDate = conversation.dateAdded,
      deleted = false,
    },
  }
end

local function inbound(call)
  local body = call.body
  local conversation = world.conversations[body.conversationId]
  if not conversation or conversation.locationId ~= call.grant.location then
    return api.error(400, "Conversation not found")
  end
  local provider = body.conversationProviderId
  if provider and options.provider ~= "" and provider ~= options.provider then
    return api.error(400, "Invalid conversationProviderId")
  end
  conversation.lastMessageBody = body.message or ""
  conversation.unreadCount = conversation.unreadCount + 1
  local message = {
    at = world.now_iso(), message_id = world.new_id(), location = conversation.locationId, type = body.type,
    conversation = conversation.id, contact = conversation.contactId, direction = body.direction or "outbound",
    message = body.message, attachments = body.attachments, alt_id = body.altId,
  }
  table.insert(world.ledger.inbound, message)
  return 201, {
    success = true,
    conversationId = conversation.id,
    contactId = conversation.contactId,
    messageId = message.message_id,
    message = body.message or "",
    dateAdded = message.at,
  }
end

conversations.routes = {
  api.route("PUT /conversations/messages/{messageId}/status", update_status),
  api.route("POST /conversations/messages/inbound", inbound),
  api.route("GET /conversations/search", search),
  api.route("POST /conversations/", create),
}

return conversations
