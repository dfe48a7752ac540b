-- The webhooks that the simulated GHL fires at Bascule, signed as GHL signs: Ed25519 over the raw body.
local contacts = require "simulator.ghl.contacts"
local conversations = require "simulator.ghl.conversations"
local crypto = require "host.crypto"
local http = require "host.http"
local json = require "host.json"
local options = require "simulator.options"
local time = require "host.time"
local world = require "simulator.world"

local webhooks = {}

local function new_uuid()
  local hex = crypto.sha256(crypto.token(16))
  return ("%s-%s-4%s-8%s-%s"):format(hex:sub(1, 8), hex:sub(9, 12), hex:sub(13, 15), hex:sub(16, 18), hex:sub(19, 30))
end

local function signature_headers(body, kind)
  local signature = crypto.ed25519_sign(options.seed, body)
  if kind == "missing" then
    return {}
  elseif kind == "wrong" then
    return { ["x-ghl-signature"] = crypto.ed25519_sign(options.seed, body .. " ") }
  elseif kind == "legacy-header" then
    return { ["x-wh-signature"] = signature }
  end
  return { ["x-ghl-signature"] = signature }
end

---@class simulator.Target
---@field bascule? string Bascule's URL; default: --bascule
---@field path? string default "/webhooks/ghl"
---@field signature? "good"|"wrong"|"missing"|"legacy-header"

--- Fires a payload (waits). Returns what Bascule answered, as a row of the ledger.
---@param payload table
---@param target simulator.Target
---@return table row {at, message_id?, status?, body?, error?, elapsed_ms?}
function webhooks.fire(payload, target)
  local body = assert(json.encode(payload))
  local headers = signature_headers(body, target.signature)
  headers["content-type"] = "application/json"
  local row = { at = world.now_iso(), type = payload.type, message_id = payload.messageId }
  local answer, reason = http.request {
    method = "POST",
    url = (target.bascule or options.bascule) .. (target.path or "/webhooks/ghl"),
    headers = headers,
    body = body,
  }
  if answer then
    row.status, row.elapsed_ms = answer.status, answer.elapsed_ms
    row.body = json.decode(answer.body) or answer.body
  else
    row.error = reason
  end
  table.insert(world.ledger.webhooks, row)
  return row
end

--- The contact of a number and its conversation, made where they are new.
local function parties(location, phone)
  local contact = contacts.find(location, phone) or contacts.create { locationId = location, phone = phone }
  return contact, conversations.of(contact.id) or conversations.create(contact)
end

--- A ProviderOutboundMessage with the fields that GHL documents; `fields` are put over them (json.null removes one).
---@param location string
---@param phone string
---@param text string
---@param fields table<string, any>?
---@return table payload
function webhooks.outbound_message(location, phone, text, fields)
  local contact, conversation = parties(location, phone)
  local payload = {
    contactId = contact.id,
    locationId = location,
    messageId = world.new_id(),
    conversationId = conversation.id,
    type = "SMS",
    phone = phone,
    message = text,
    attachments = json.array {},
    userId = "SIMULATEDUSER0000001",
  }
  for name, value in pairs(fields or {}) do
    payload[name] = value
    if value == json.null then
      payload[name] = nil
    end
  end
  if type(payload.messageId) == "string" then
    world.messages[payload.messageId] = {
      location = payload.locationId, contact = contact.id, conversation = conversation.id, at_ms = time.now_ms(),
    }
  end
  return payload
end

--- The event that tells of an uninstallation.
---@param location string? nil: of the whole company
---@return table payload
function webhooks.uninstall(location)
  return {
    type = "UNINSTALL",
    appId = options.app_id,
    locationId = location,
    companyId = not location and options.company or nil,
    timestamp = world.now_iso(),
    webhookId = new_uuid(),
  }
end

return webhooks
