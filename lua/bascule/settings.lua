-- A location's settings: their names and values, read for every message and written by the operator.
local cache = require "host.cache"
local json = require "host.json"
local store = require "host.store"

local failure = require "bascule.failure"
local suggest = require "bascule.suggest"

local settings = {}

local cached_ms <const> = 1000 -- another process' change is seen after this time

local function text(most)
  return function(value)
    local length = utf8.len(value)
    if not length or length == 0 or length > most then
      return ("must have 1 to %d characters"):format(most)
    end
  end
end

local function line(most)
  local check = text(most)
  return function(value)
    return check(value) or value:find "%c" and "must not have control characters" or nil
  end
end

-- What a header can carry.
local function key(most)
  local check = text(most)
  return function(value)
    return check(value) or value:find "[^\x21-\x7e]" and "must be visible ASCII characters" or nil
  end
end

local function one_of(...)
  local choices = { ... }
  return function(value)
    for _, choice in ipairs(choices) do
      if value == choice then
        return nil
      end
    end
    return "must be one of: " .. table.concat(choices, ", ")
  end
end

local function region(value)
  if not value:match "^%u%u$" then
    return "must be two capital letters of ISO 3166, such as PH"
  end
end

local function integer(least, most)
  return function(value)
    local number = value:match "^%d+$" and math.tointeger(tonumber(value))
    if not number or number < least or number > most then
      return ("must be a whole number from %d to %d"):format(least, most)
    end
  end
end

-- Every setting: how it is checked, and whether it is a secret (sealed at rest, masked when shown, unseen by rules).
local known <const> = {
  sender_id = { check = line(20) },
  default_region = { check = region },
  cast_api_key = { check = key(200), secret = true },
  cast_path_prefix = { check = one_of("/api/v1", "/api") },
  cast_number_format = { check = one_of("national", "e164") },
  cast_message_limit = { check = integer(1, 10000) },
}

local own_prefix <const> = "rule_" -- names of an agency's own, for its rules: taken as they are
local own = { check = text(4000) }

local function find(name)
  return known[name] or name:match("^" .. own_prefix .. "[a-z0-9_]+$") and own
end

--- The names of the table above, sorted.
---@return string[]
function settings.names()
  local names = {}
  for name in pairs(known) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- What is wrong with a setting, or nil.
---@param name string
---@param value any text or a whole number; json.null removes the setting
---@return string?
function settings.fault(name, value)
  local setting = find(name)
  if not setting then
    return ("unknown setting '%s'%s"):format(name, suggest.hint(name, settings.names()))
  elseif value == json.null then
    return nil
  elseif type(value) ~= "string" and math.type(value) ~= "integer" then
    return name .. " must be text"
  end
  local fault = setting.check(tostring(value))
  return fault and name .. " " .. fault
end

local function scope_of(location)
  return "location:" .. location
end

---@param location string
---@param name string
---@param value any as settings.fault found it good
---@return boolean? ok, string? reason, string? name
function settings.put(location, name, value)
  local text_value = value ~= json.null and tostring(value) or nil
  local ok, why, code = store.setting_put(scope_of(location), name, text_value, find(name).secret == true)
  cache.put("settings:" .. location, nil, 0)
  if not ok then
    return nil, failure.words(why, code), code
  end
  return true
end

--- All settings of a location, secrets in clear.
---@param location string
---@return table<string,string>? values, string? reason, string? name
function settings.of(location)
  local kept = cache.get("settings:" .. location)
  if kept then
    return json.decode(kept)
  end
  local values, secrets, code = store.settings(scope_of(location))
  if not values then
    return nil, failure.words(secrets, code), code
  end
  cache.put("settings:" .. location, json.encode(values), cached_ms)
  return values
end

--- Those that a rule may see.
---@param values table<string,string>
---@return table<string,string>
function settings.public(values)
  local open = {}
  for name, value in pairs(values) do
    local setting = find(name)
    if setting and not setting.secret then
      open[name] = value
    end
  end
  return open
end

-- Enough of a long key to tell it from another.
local function mask(value)
  return #value >= 32 and value:sub(1, 12) .. "..." or "..."
end

--- All, as an operator may see them.
---@param values table<string,string>
---@return table<string,string>
function settings.masked(values)
  local shown = settings.public(values)
  for name, value in pairs(values) do
    shown[name] = shown[name] or mask(value)
  end
  return shown
end

return settings
