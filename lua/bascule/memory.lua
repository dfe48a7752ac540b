-- What an agency's rules remember between messages: the entries of the store that their declarations (`memory` of
-- rules.lua) name for a message, read for the rule's context, and written with the attempt.
--
-- A number is named by its international form, so that the provider's and GHL's way of writing it are one. A message
-- that has no contact is counted for its number. What belongs to nobody (no contact, no number) is not kept.
local config = require "host.config"
local phone = require "host.phone"
local store = require "host.store"

local hours = require "bascule.rules.hours"

local memory = {}

--- Whose message it is.
---@class bascule.Whose
---@field location string
---@field agency string slug
---@field contact? string id
---@field number? string the other end's, as the provider or GHL writes it

local function number_key(number)
  local parsed = phone.parse(number, config.get "BASCULE_DEFAULT_REGION")
  return "number:" .. (parsed and parsed.e164 or number)
end

-- "contact:ID" and its kin, or nil where there is no such owner.
local function owner_key(per, whose)
  if per == "contact" and whose.contact then
    return "contact:" .. whose.contact
  elseif per == "contact" or per == "number" then
    return whose.number and number_key(whose.number)
  end
  return per
end

-- The entry's place in the store, and when what is written now is forgotten; nil where it belongs to nobody.
local function entry_of(name, declared, whose, now)
  local key = owner_key(declared.per, whose)
  if not key then
    return nil
  end
  local entry = { scope = declared.per == "agency" and "agency:" .. whose.agency or whose.location, name = name }
  if declared.kind == "value" then
    entry.key = key
    return entry, now + declared.ttl_ms
  end
  local _, ends_ms, label = hours.window(now, declared.window, declared.zone)
  entry.key = key .. "|" .. label
  return entry, ends_ms
end

local function sorted_names(declarations)
  local names = {}
  for name in pairs(declarations) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function remembered(declared, found)
  if declared.kind == "counter" then
    return { count = found and found.count or 0 }
  end
  return { value = found and found.value }
end

--- What the rule is given as context.memory.
---@param message_id? string Bascule's, whose own effects are left out
---@param declarations table<string, host.rules.Memory> of host.rules.needs
---@param whose bascule.Whose
---@param now integer as context.now
---@param from? {memory_read: function} else the store
---@return table<string, bascule.Remembered>? memory, string? error, string? name
function memory.read(message_id, declarations, whose, now, from)
  local keys, places, found = {}, {}, {}
  for _, name in ipairs(sorted_names(declarations)) do
    local entry = entry_of(name, declarations[name], whose, now)
    if entry then
      keys[#keys + 1] = entry
      places[name] = #keys
    end
  end
  if #keys > 0 then
    local why, code
    found, why, code = (from or store).memory_read(message_id, keys)
    if not found then
      return nil, why, code
    end
  end
  local result = {}
  for name, declared in pairs(declarations) do
    result[name] = remembered(declared, found[places[name]])
  end
  return result
end

local function effect_of(effect, declarations, whose, now)
  local declared = declarations[effect.name]
  if not declared then
    error(("the rules' memory has no '%s'"):format(effect.name), 0)
  end
  local entry, expires_ms = entry_of(effect.name, declared, whose, now)
  if not entry then
    return nil
  end
  entry.op, entry.by, entry.most = effect.op, effect.by, effect.most
  entry.value, entry.first = effect.value, effect.first
  entry.expires_ms = expires_ms
  return entry
end

--- A decision's effects, as store.attempt_begin and store.memory_apply take them.
---@param effects? table[] `memory` of host.rules.Decision
---@param declarations table<string, host.rules.Memory> of the rules that decided
---@param whose bascule.Whose
---@param now integer as context.now
---@return host.store.Effect[]? effects nil: none
function memory.effects(effects, declarations, whose, now)
  local list = {}
  for _, effect in ipairs(effects or {}) do
    list[#list + 1] = effect_of(effect, declarations, whose, now)
  end
  return #list > 0 and list or nil
end

return memory
