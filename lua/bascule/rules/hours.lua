-- Hours of the day in a place, from the time that a rule is given; nothing here asks for the time itself.
--
--   hours.within(context.now, "08:00-21:00", "Asia/Manila")   -->  true or false
--   hours.next(context.now, "08:00", "Asia/Manila")           -->  the next 08:00 there, as context.now counts
--   hours.at(context.now, "+08:00")                           -->  { hour = 7, minute = 59, weekday = 1 }  (1: Monday)
--
-- A zone is an offset such as "+08:00", "UTC", or one of the names below, all of places whose clocks are never changed.
-- Names of places with daylight saving time are refused: their offset would be wrong half of the year.
local hours = {}

local minute_ms <const> = 60 * 1000
local day_ms <const> = 24 * 60 * minute_ms

local zones <const> = {
  ["UTC"] = "+00:00",
  ["Africa/Johannesburg"] = "+02:00",
  ["Africa/Lagos"] = "+01:00",
  ["Africa/Nairobi"] = "+03:00",
  ["America/Bogota"] = "-05:00",
  ["America/Lima"] = "-05:00",
  ["America/Panama"] = "-05:00",
  ["America/Phoenix"] = "-07:00",
  ["America/Puerto_Rico"] = "-04:00",
  ["Asia/Bangkok"] = "+07:00",
  ["Asia/Dhaka"] = "+06:00",
  ["Asia/Dubai"] = "+04:00",
  ["Asia/Ho_Chi_Minh"] = "+07:00",
  ["Asia/Hong_Kong"] = "+08:00",
  ["Asia/Jakarta"] = "+07:00",
  ["Asia/Karachi"] = "+05:00",
  ["Asia/Kathmandu"] = "+05:45",
  ["Asia/Kolkata"] = "+05:30",
  ["Asia/Kuala_Lumpur"] = "+08:00",
  ["Asia/Manila"] = "+08:00",
  ["Asia/Riyadh"] = "+03:00",
  ["Asia/Seoul"] = "+09:00",
  ["Asia/Shanghai"] = "+08:00",
  ["Asia/Singapore"] = "+08:00",
  ["Asia/Taipei"] = "+08:00",
  ["Asia/Tokyo"] = "+09:00",
  ["Australia/Brisbane"] = "+10:00",
  ["Australia/Perth"] = "+08:00",
  ["Pacific/Guam"] = "+10:00",
  ["Pacific/Honolulu"] = "-10:00",
}

local function refuse_zone(zone)
  local names = {}
  for name in pairs(zones) do
    names[#names + 1] = name
  end
  table.sort(names)
  local advice = "give an offset such as \"+08:00\", or one of: "
  error(("hours: the zone %s is unknown or has daylight saving time; %s%s"):format(
    tostring(zone), advice, table.concat(names, ", ")), 4)
end

local function offset_ms(zone)
  local sign, hour, minute = tostring(zones[zone] or zone):match "^([+-])(%d%d):(%d%d)$"
  if not sign or tonumber(hour) > 14 or tonumber(minute) > 59 then
    refuse_zone(zone)
  end
  local offset = (tonumber(hour) * 60 + tonumber(minute)) * minute_ms
  return sign == "+" and offset or -offset
end

-- "08:30" in milliseconds since midnight; "24:00" is the end of a day.
local function clock_ms(clock)
  local hour, minute = tostring(clock):match "^(%d%d):(%d%d)$"
  local ms = hour and (tonumber(hour) * 60 + tonumber(minute)) * minute_ms
  if not ms or ms > day_ms or tonumber(minute) > 59 then
    error(("hours: %s is no time of day such as \"08:30\""):format(tostring(clock)), 4)
  end
  return ms
end

local function check_now(now)
  if math.type(now) ~= "integer" then
    error("hours: the time must be in whole milliseconds, as context.now is", 3)
  end
end

--- Whether the time lies within the window; its end is outside. A window may pass midnight ("21:00-06:00").
---@param now integer milliseconds since 1970, as context.now
---@param window string "08:00-21:00"
---@param zone string
---@return boolean
function hours.within(now, window, zone)
  check_now(now)
  local from, to = tostring(window):match "^(%d%d:%d%d)%-(%d%d:%d%d)$"
  if not from then
    error(("hours: %s is no window such as \"08:00-21:00\""):format(tostring(window)), 2)
  end
  local first, last = clock_ms(from), clock_ms(to)
  local time = (now + offset_ms(zone)) % day_ms
  if first <= last then
    return first <= time and time < last
  end
  return time >= first or time < last
end

--- The next time, after now, that clocks there show `clock`.
---@param now integer
---@param clock string "08:00"
---@param zone string
---@return integer
function hours.next(now, clock, zone)
  check_now(now)
  local wait = (clock_ms(clock) - (now + offset_ms(zone))) % day_ms
  return now + (wait > 0 and wait or day_ms)
end

---@param now integer
---@param zone string
---@return {hour: integer, minute: integer, weekday: integer} weekday 1 is Monday
function hours.at(now, zone)
  check_now(now)
  local there = now + offset_ms(zone)
  local minutes = there % day_ms // minute_ms
  return {
    hour = minutes // 60,
    minute = minutes % 60,
    weekday = (there // day_ms + 3) % 7 + 1, -- 1970-01-01 was a Thursday
  }
end

return hours
