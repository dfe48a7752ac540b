-- host.json for specs, by dkjson. What the host's own codec refuses beyond this (duplicate keys, bad UTF-8, depth) is
-- tested there.
local dkjson = require "dkjson"

local json = { null = io.stdout } -- some userdata, as in the host

local array_mark <const> = { __jsontype = "array" } -- one for all arrays, as in the host

function json.array(list)
  return setmetatable(list, array_mark)
end

function json.decode(text)
  local value, position, fault = dkjson.decode(text, 1, json.null, nil, array_mark)
  if fault then
    return nil, "INVALID: " .. fault, "INVALID"
  elseif text:find("%S", position) then
    return nil, "INVALID: more after the value", "INVALID"
  end
  return value
end

-- Keys sorted, as the host does it.
local function sorted(value)
  if type(value) ~= "table" then
    return value == json.null and dkjson.null or value
  end
  local copy, keys = {}, {}
  for key, member in pairs(value) do
    copy[key] = sorted(member)
    keys[#keys + 1] = key
  end
  local mark = getmetatable(value)
  if mark and mark.__jsontype == "array" or #value > 0 then
    return setmetatable(copy, { __jsontype = "array" })
  end
  table.sort(keys)
  return setmetatable(copy, { __jsontype = "object", __jsonorder = keys })
end

function json.encode(value)
  return dkjson.encode(sorted(value))
end

return json
