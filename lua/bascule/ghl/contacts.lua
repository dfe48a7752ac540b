-- A contact of GHL as rules are given it (bascule.Contact in lua/meta/rules.lua).
--
-- What was read stays for a minute in the process's cache, also that GHL knows no such contact: messages of one
-- conversation come in quick succession, and GHL's rate limit is better spent on statuses. A contact with more than
-- `kept_bytes` of fields is read anew each time, so that such ones cannot fill the memory.
local cache = require "host.cache"
local http = require "host.http"
local json = require "host.json"

local client = require "bascule.ghl.client"

local contacts = {}

local kept_ms <const> = 60 * 1000
local kept_bytes <const> = 4096

-- GHL's answers to an id that it does not know: it checks their form first.
local unknown_statuses <const> = { [400] = true, [404] = true, [422] = true }

local names <const> = {
  id = "id",
  first_name = "firstName",
  last_name = "lastName",
  name = "name",
  email = "email",
  phone = "phone",
  company_name = "companyName",
  city = "city",
  state = "state",
  country = "country",
  timezone = "timezone",
}

local function list(value)
  return type(value) == "table" and value or {}
end

local function tags_of(contact)
  local tags = json.array {}
  for _, tag in ipairs(list(contact.tags)) do
    tags[#tags + 1] = type(tag) == "string" and tag or nil
  end
  return tags
end

local function custom_of(contact)
  local custom = {}
  for _, field in ipairs(list(contact.customFields)) do
    local id = type(field) == "table" and field.id
    if type(id) == "string" and field.value ~= json.null then
      custom[id] = field.value
    end
  end
  return custom
end

-- Not to be disturbed at all, or by SMS: "active" speaks of the protection, not of the channel.
local function is_protected(contact)
  local sms = list(list(contact.dndSettings).SMS).status
  return contact.dnd == true or sms == "active" or sms == "permanent"
end

local function read(contact)
  local mapped = { tags = tags_of(contact), custom = custom_of(contact), dnd = is_protected(contact) }
  for name, of_ghl in pairs(names) do
    mapped[name] = type(contact[of_ghl]) == "string" and contact[of_ghl] or nil
  end
  return mapped
end

local function key_of(location, id)
  return ("contact:%s:%s"):format(location, id)
end

local function keep(location, id, contact)
  local text = json.encode(contact)
  if text and #text <= kept_bytes then
    cache.put(key_of(location, id), text, kept_ms)
  end
end

local function fetch(location, company, id)
  local answer, fault = client.request {
    path = "/contacts/" .. http.escape(id),
    location = location,
    company = company,
    tries = 1, -- the queue asks again, and holds no place meanwhile
  }
  if answer and type(answer.body.contact) == "table" then
    return read(answer.body.contact)
  elseif fault and not unknown_statuses[fault.status] then
    return nil, fault
  end
  return json.null
end

--- Nil without a failure: GHL knows no such contact.
---@param location string
---@param company? string
---@param id string
---@return bascule.Contact? contact, bascule.GhlFailure? failure
function contacts.get(location, company, id)
  local kept = cache.get(key_of(location, id))
  local contact, fault
  if kept then
    contact = json.decode(kept)
  else
    contact, fault = fetch(location, company, id)
  end
  if fault then
    return nil, fault
  elseif not kept then
    keep(location, id, contact)
  end
  return contact ~= json.null and contact or nil
end

return contacts
