-- Time in specs: texts to milliseconds and back, durations, and a clock that goes only when it is told to.
local clock = {}

local minute_ms <const> = 60 * 1000
local day_ms <const> = 24 * 60 * minute_ms
local units <const> = { s = 1000, m = minute_ms, h = 60 * minute_ms, d = day_ms }

-- Days from the civil calendar and back, after Howard Hinnant's days_from_civil.
local function days_of(year, month, day)
  local y = month <= 2 and year - 1 or year
  local era, of_era = y // 400, y % 400
  local of_year = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
  return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
end

local function date_of(days)
  local shifted = days + 719468
  local era, of_era = shifted // 146097, shifted % 146097
  local year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
  local of_year = of_era - (365 * year + year // 4 - year // 100)
  local shifted_month = (5 * of_year + 2) // 153
  local month = shifted_month + (shifted_month < 10 and 3 or -9)
  return year + era * 400 + (month <= 2 and 1 or 0), month, of_year - (153 * shifted_month + 2) // 5 + 1
end

--- Milliseconds since 1970 of "2026-01-02T09:00:00+08:00" (or "...Z", also with ".250").
---@param text string
---@return integer
function clock.time(text)
  local year, month, day, hour, minute, second, fraction, zone =
    tostring(text):match "^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d)(%.?%d*)(.*)$"
  local sign, zone_hour, zone_minute = (zone or ""):gsub("^Z$", "+00:00"):match "^([+-])(%d%d):(%d%d)$"
  if not sign then
    error(tostring(text) .. ' is no time such as "2026-01-02T09:00:00+08:00"', 2)
  end
  local offset = (tonumber(zone_hour) * 60 + tonumber(zone_minute)) * (sign == "+" and 1 or -1)
  local days = days_of(tonumber(year), tonumber(month), tonumber(day))
  local minutes = (days * 24 + tonumber(hour)) * 60 + tonumber(minute) - offset
  local ms = fraction ~= "" and math.floor(tonumber("0" .. fraction) * 1000 + 0.5) or 0
  return math.tointeger((minutes * 60 + tonumber(second)) * 1000) + ms
end

--- A time in milliseconds, or as a text; nil stays nil.
---@param time? integer|string
---@return integer?
function clock.ms(time)
  return type(time) == "string" and clock.time(time) or time
end

--- "2026-01-02T01:00:00Z".
---@param ms integer
---@return string
function clock.text(ms)
  if math.type(ms) ~= "integer" then
    return tostring(ms)
  end
  local year, month, day = date_of(ms // day_ms)
  local second = ms % day_ms // 1000
  local fraction = ms % 1000 > 0 and (".%03d"):format(ms % 1000) or ""
  return ("%04d-%02d-%02dT%02d:%02d:%02d%sZ"):format(
    year, month, day, second // 3600, second // 60 % 60, second % 60, fraction)
end

--- Milliseconds of "90s", "15m", "12h", "30d", as `ttl` in the rules' memory.
---@param text string
---@return integer
function clock.duration(text)
  local number, unit = tostring(text):match "^(%d+)([smhd])$"
  if not number then
    error(tostring(text) .. ' is no duration such as "15m" or "12h"', 2)
  end
  return math.tointeger(tonumber(number)) * units[unit]
end

---@class bascule.testing.Clock
---@field now integer
local Clock = {}
Clock.__index = Clock

--- Goes on by "15m" or so many milliseconds; returns the new time.
---@param time integer|string
---@return integer
function Clock:advance(time)
  self.now = self.now + (type(time) == "string" and clock.duration(time) or time)
  return self.now
end

--- Shows another time, also an earlier one.
---@param time integer|string
---@return integer
function Clock:set(time)
  self.now = clock.ms(time)
  return self.now
end

---@param time integer|string
---@return bascule.testing.Clock
function clock.new(time)
  return setmetatable({ now = clock.ms(time) }, Clock)
end

return clock
