-- Switches for what can go wrong, of each side ("ghl", "cast"). POST /simulate/faults sets them; a side's table
-- replaces the one before, so {} ends its faults.
local suggest = require "bascule.suggest"
local time = require "host.time"

local faults = {}

-- What a side's table may hold, with the type of each.
local names = {
  status = "number", -- refuse with this status before anything is done
  rate = "number", -- how often `status` strikes, 0..1; default 1
  drop = "number", -- how often, 0..1, the work is done and its answer lost
  after = "number", -- requests that pass before the side's faults begin
  times = "number", -- strikes left of `status` and `drop`; default: no end
  retry_after_s = "number", -- Retry-After of a 429 or 503
  latency_ms = "number", -- wait before anything is done
  path = "string", -- only requests whose path holds this text
  key = "string", -- only requests of this API key (Cast), location or company (GHL)
  error_code = "string", -- of Cast's error; default: what belongs to the status
  delay_ms = "number", -- instead of --cast-delay-ms
  early_403_ms = "number", -- instead of --early-403-ms
  expires_in = "number", -- instead of --expires-in
  rate_limit = "number", -- instead of --rate-limit (ghl), --cast-rate-limit (cast)
}

local sides = { ghl = {}, cast = {} }

local function sorted(map)
  local list = {}
  for name in pairs(map) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

local function fault_of(side, given)
  if not sides[side] then
    return ("%s: must be one of %s"):format(side, table.concat(sorted(sides), ", "))
  end
  if type(given) ~= "table" then
    return side .. ": must be an object"
  end
  for name, value in pairs(given) do
    local kind = names[name]
    if not kind then
      return ("%s.%s: no such switch%s"):format(side, name, suggest.hint(name, sorted(names)))
    end
    if type(value) ~= kind then
      return ("%s.%s: must be a %s"):format(side, name, kind)
    end
  end
end

--- Replaces the switches of the sides that are named. Returns what is wrong with them, and then changes nothing.
---@param given table<string, table>
---@return string?
function faults.set(given)
  for side, switches in pairs(given) do
    local fault = fault_of(side, switches)
    if fault then
      return fault
    end
  end
  for side, switches in pairs(given) do
    sides[side] = switches
  end
end

function faults.clear()
  sides.ghl, sides.cast = {}, {}
end

---@return table<string, table>
function faults.all()
  return sides
end

--- A switch that stands for an option: its value, or the option's.
---@param side "ghl"|"cast"
---@param name string
---@param default integer
---@return integer
function faults.value(side, name, default)
  return sides[side][name] or default
end

local function strikes(switches, chance)
  if not chance or (switches.times or 1) <= 0 or math.random() >= chance then
    return false
  end
  if switches.times then
    switches.times = switches.times - 1
  end
  return true
end

---@class simulator.Strike
---@field status? integer refuse with it
---@field drop? boolean do the work, lose the answer
---@field retry_after_s? integer
---@field error_code? string

--- What a request meets (waits, where there is latency).
---@param side "ghl"|"cast"
---@param path string
---@param key string? of the API key, location or company
---@return simulator.Strike
function faults.strike(side, path, key)
  local switches = sides[side]
  if switches.path and not path:find(switches.path, 1, true) or switches.key and switches.key ~= key then
    return {}
  end
  if (switches.after or 0) > 0 then
    switches.after = switches.after - 1
    return {}
  end
  if switches.latency_ms then
    time.sleep(switches.latency_ms)
  end
  if switches.status and strikes(switches, switches.rate or 1) then
    return { status = switches.status, retry_after_s = switches.retry_after_s, error_code = switches.error_code }
  end
  return { drop = strikes(switches, switches.drop) }
end

--- The answer of a strike that drops: status 0 makes the host close the connection without an answer.
---@return bascule.Answer
function faults.dropped()
  return { status = 0, headers = {}, body = "" }
end

return faults
