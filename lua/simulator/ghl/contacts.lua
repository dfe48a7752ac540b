-- Contacts. A location takes a phone number or an e-mail address once (GHL's "allow duplicate contact" is off).
local api = require "simulator.ghl.api"
local json = require "host.json"
local world = require "simulator.world"

local contacts = {}

-- What a body may say of a contact and an answer gives back.
local kept = {
  "firstName", "lastName", "name", "email", "phone", "address1", "city", "state", "postalCode", "country",
  "companyName", "website", "timezone", "dnd", "dndSettings", "source", "dateOfBirth", "assignedTo", "tags",
}

--- "+63 917 123-4567" is "+639171234567".
local function plain_phone(text)
  return text and text:gsub("[^%d+]", "") or nil
end

--- Who has this phone number or e-mail address in a location, and which of the two it is.
---@param location string
---@param phone string?
---@param email string?
---@return table? contact, string? field
function contacts.find(location, phone, email)
  for _, contact in pairs(world.contacts) do
    if contact.locationId == location then
      if phone and contact.phone == plain_phone(phone) then
        return contact, "phone"
      end
      if email and (contact.email or ""):lower() == email:lower() then
        return contact, "email"
      end
    end
  end
end

local function text(value)
  return value ~= json.null and value or nil
end

--- A body gives a field's value as field_value (or, in some kinds of field, as value); an answer has value.
local function custom_fields(list)
  local fields = json.array {}
  for index, field in ipairs(list) do
    fields[index] = { id = field.id, value = field.field_value or field.value }
  end
  return fields
end

local function change(contact, body)
  for _, field in ipairs(kept) do
    if body[field] ~= nil then
      contact[field] = text(body[field])
    end
  end
  if type(body.customFields) == "table" then
    contact.customFields = custom_fields(body.customFields)
  end
  contact.phone = plain_phone(contact.phone)
  contact.name = contact.name or ((contact.firstName or "") .. " " .. (contact.lastName or "")):match "^%s*(.-)%s*$"
  contact.dateUpdated = world.now_iso()
end

---@param body table as POST /contacts/ takes it
---@return table contact
function contacts.create(body)
  local contact = { id = world.new_id(), locationId = body.locationId, type = "lead", tags = json.array {},
    dnd = false, dateAdded = world.now_iso() }
  change(contact, body)
  world.contacts[contact.id] = contact
  return contact
end

local function search_duplicate(call)
  local query = call.query
  local status, body = api.foreign(call, query.locationId)
  if status then
    return status, body
  end
  return 200, { contact = contacts.find(query.locationId, query.number, query.email) or json.null }
end

local function upsert(call)
  local body = call.body
  local status, refusal = api.foreign(call, body.locationId)
  if status then
    return status, refusal
  end
  local known = contacts.find(body.locationId, text(body.phone), text(body.email))
  if known then
    change(known, body)
  end
  return 200, { new = not known, contact = known or contacts.create(body), traceId = world.new_id() }
end

local function create(call)
  local body = call.body
  local status, refusal = api.foreign(call, body.locationId)
  if status then
    return status, refusal
  end
  local known, field = contacts.find(body.locationId, text(body.phone), text(body.email))
  if known then
    local code, answer = api.error(400, "This location does not allow duplicated contacts.")
    answer.meta = { contactId = known.id, matchingField = field }
    return code, answer
  end
  return 201, { contact = contacts.create(body) }
end

local function get(call)
  local contact = world.contacts[call.path.contactId]
  if not contact or contact.locationId ~= call.grant.location then
    return api.error(404, "Contact not found")
  end
  return 200, { contact = contact }
end

contacts.routes = {
  api.route("GET /contacts/search/duplicate", search_duplicate),
  api.route("POST /contacts/upsert", upsert),
  api.route("POST /contacts/", create),
  api.route("GET /contacts/{contactId}", get),
}

return contacts
