-- Hours and days in a place, from the time that a rule is given; nothing here asks for the time itself.
--
--   hours.within(context.now, "08:00-21:00", "Asia/Manila")  -->  true or false
--   hours.within(now, { "mon-fri 08:00-21:00", "sat 09:00-12:00" }, zone, { holidays = { "12-25" } })
--   hours.opens(now, "mon-fri 08:00-21:00", zone)    -->  the first time from now on that is within
--   hours.next(context.now, "08:00", "Asia/Manila")  -->  the next 08:00 there, as context.now counts
--   hours.at(context.now, "+08:00")                  -->  { hour = 7, minute = 59, weekday = 1, ... }
--
-- A zone is an offset such as "+08:00", "UTC", or a name such as "America/New_York", whose daylight saving time is
-- known from the system's tzdata. A time that clocks skip when they are put forward counts as the moment when they
-- are; one that they show twice counts as the first.
--
-- A window is "08:00-21:00", with days before it where it is not for all: "mon-fri 08:00-21:00", "mon,wed 10:00-12:00".
-- One that passes midnight ("fri 21:00-06:00") belongs to the day on which it begins. Where there are several, any of
-- them will do. On a holiday ("2026-04-03", or "12-25" for every year) no window begins.
---@meta bascule.hours
local arguments, host_zone = require "host.arguments", require "host.zone"

local hours = {}

---@alias bascule.hours.Windows string|string[]

---@class bascule.hours.Options
---@field holidays? string[] dates: "2026-04-03", or "12-25" for every year

---@class bascule.hours.Clock
---@field year integer
---@field month integer
---@field day integer
---@field hour integer
---@field minute integer
---@field second integer
---@field weekday integer 1 is Monday
---@field offset_s integer seconds east of UTC

local date_label <const> = "%04d-%02d-%02d"
local day_minutes <const> = 24 * 60
local weekdays <const> = "montuewedthufrisatsun"
-- How far ahead a window is looked for: further than any row of holidays.
local days_ahead <const> = 400

-- Errors point at the line of the rule: `level` is that of the function of this library that the rule called, plus one.
local function civil(now, zone, level)
  if math.type(now) ~= "integer" then
    error("hours: the time must be in whole milliseconds, as context.now is", level + 1)
  elseif type(zone) ~= "string" then
    error("hours: a zone is a text such as \"Asia/Manila\", not " .. type(zone), level + 1)
  end
  local there, reason = host_zone.civil(zone, now)
  if not there then
    error("hours: " .. reason:gsub("^INVALID: ", ""), level + 1)
  end
  return there
end

-- "08:30" in minutes since midnight; "24:00" is the end of a day. Nil where it is neither.
local function minutes_of(clock)
  local hour, minute = tostring(clock):match "^(%d%d):(%d%d)$"
  local minutes = hour and tonumber(hour) * 60 + tonumber(minute)
  return minutes and minutes <= day_minutes and tonumber(minute) <= 59 and minutes or nil
end

local function weekday_of(name)
  local first = #name == 3 and weekdays:find(name:lower(), 1, true)
  return first and first % 3 == 1 and first // 3 + 1 or nil
end

-- "mon-fri,sun" as the days that it names, or nil.
local function days_of(text)
  local days = {}
  for item in (text .. ","):gmatch "([^,]*)," do
    local from, to = item:match "^%s*(%a+)%-(%a+)%s*$"
    from = from or item:match "^%s*(%a+)%s*$"
    local first = from and weekday_of(from)
    local last = first and weekday_of(to or from)
    if not last then
      return nil
    end
    days[first] = true
    while first ~= last do
      first = first % 7 + 1
      days[first] = true
    end
  end
  return days
end

local function read_window(text, level)
  local days, from, to = tostring(text):match "^%s*(.-)%s*(%d%d:%d%d)%-(%d%d:%d%d)%s*$"
  local window = from and { from = minutes_of(from), to = minutes_of(to), days = days ~= "" and days_of(days) or nil }
  if not window or not window.from or not window.to or days ~= "" and not window.days then
    error(("hours: %s is no window such as \"08:00-21:00\" or \"mon-fri 08:00-21:00\""):format(
      tostring(text)), level + 1)
  end
  return window
end

local function read_windows(windows, level)
  local list = {}
  for i, text in ipairs(type(windows) == "table" and windows or { windows }) do
    list[i] = read_window(text, level + 1)
  end
  if #list == 0 then
    error("hours: there is no window such as \"08:00-21:00\"", level + 1)
  end
  return list
end

local expected_options <const> = { holidays = "table" }

local function read_holidays(dates, name, level)
  local holidays = {}
  for _, date in ipairs(dates or {}) do
    if not tostring(date):find "^%d%d%d%d%-%d%d%-%d%d$" and not tostring(date):find "^%d%d%-%d%d$" then
      error(("%s: %s is no date such as \"2026-04-03\" or \"12-25\""):format(name, tostring(date)), level + 1)
    end
    holidays[date] = true
  end
  return holidays
end

-- The day `distance` days after that of `there`.
local function day_after(there, distance)
  local noon = host_zone.instant("UTC", there.year, there.month, there.day + distance, 12)
  local day = noon and host_zone.civil("UTC", noon)
  return day or error("hours: the year is not within 1 to 9999", 0)
end

local function begins_on(window, day, holidays)
  if window.days and not window.days[day.weekday] then
    return false
  end
  local date = date_label:format(day.year, day.month, day.day)
  return not holidays[date] and not holidays[date:sub(6)]
end

-- Whether the clock `there` is within one of the windows, which begin today or, those past midnight, yesterday.
local function is_within(there, windows, holidays)
  local minute, yesterday = there.hour * 60 + there.minute, nil
  for _, window in ipairs(windows) do
    local passes = window.from > window.to
    if minute >= window.from and (passes or minute < window.to) and begins_on(window, there, holidays) then
      return true
    elseif passes and minute < window.to then
      yesterday = yesterday or day_after(there, -1)
      if begins_on(window, yesterday, holidays) then
        return true
      end
    end
  end
  return false
end

--- Whether the time lies within one of the windows; their ends are outside.
---@param now integer milliseconds since 1970, as context.now
---@param windows bascule.hours.Windows "08:00-21:00", "mon-fri 08:00-21:00", or a list of them
---@param zone string
---@param options? bascule.hours.Options
---@return boolean
function hours.within(now, windows, zone, options)
  local given = arguments.options("hours.within", options, expected_options)
  local holidays = read_holidays(given.holidays, "hours.within", 2)
  return is_within(civil(now, zone, 2), read_windows(windows, 2), holidays)
end

local function instant_on(day, minutes, zone)
  return (host_zone.instant(zone, day.year, day.month, day.day, 0, minutes))
end

-- The first beginning of a window on that day after now. One that clocks skip wholly is none.
local function first_beginning(now, day, windows, holidays, zone)
  local best
  for _, window in ipairs(windows) do
    local begins = begins_on(window, day, holidays) and instant_on(day, window.from, zone)
    if begins and begins > now and (not best or begins < best)
      and is_within(host_zone.civil(zone, begins), { window }, holidays)
    then
      best = begins
    end
  end
  return best
end

--- The first time from now on that lies within one of the windows: now itself, or when the next of them begins.
---@param now integer
---@param windows bascule.hours.Windows
---@param zone string
---@param options? bascule.hours.Options
---@return integer
function hours.opens(now, windows, zone, options)
  local given = arguments.options("hours.opens", options, expected_options)
  local holidays, list = read_holidays(given.holidays, "hours.opens", 2), read_windows(windows, 2)
  local there = civil(now, zone, 2)
  if is_within(there, list, holidays) then
    return now
  end
  for distance = 0, days_ahead do
    local begins = first_beginning(now, day_after(there, distance), list, holidays, zone)
    if begins then
      return begins
    end
  end
  error(("hours.opens: no window begins within %d days"):format(days_ahead), 2)
end

--- The next time, after now, that clocks there show `clock`.
---@param now integer
---@param clock string "08:00"
---@param zone string
---@return integer
function hours.next(now, clock, zone)
  local minutes = minutes_of(clock)
  if not minutes then
    error(("hours: %s is no time of day such as \"08:30\""):format(tostring(clock)), 2)
  end
  local there = civil(now, zone, 2)
  local distance = 0
  while instant_on(day_after(there, distance), minutes, zone) <= now do
    distance = distance + 1
  end
  return instant_on(day_after(there, distance), minutes, zone)
end

--- What clocks and calendars show there.
---@param now integer
---@param zone string
---@return bascule.hours.Clock
function hours.at(now, zone)
  return civil(now, zone, 2)
end

local window_labels <const> = { hour = date_label .. "T%02d", day = date_label, week = date_label, month = "%04d-%02d" }

-- An hour is one of its offset: where clocks are put back there are two of 01:00, each counted for itself.
local function hour_window(now, there)
  local shift = there.offset_s * 1000
  local begins = (now + shift) // 3600000 * 3600000 - shift
  local sign, east = there.offset_s < 0 and "-" or "+", math.abs(there.offset_s)
  return begins, begins + 3600000, ("%s%02d:%02d"):format(sign, east // 3600, east % 3600 // 60)
end

--- The hour, day, week (from Monday) or month there in which the time lies, as counters count. Its label is
--- "2026-11-21", that of its Monday, "2026-11", or "2026-11-21T14+08:00".
---@param now integer
---@param kind "hour"|"day"|"week"|"month"
---@param zone string
---@return integer begins_ms, integer ends_ms, string label
function hours.window(now, kind, zone)
  local label = window_labels[kind]
  if not label then
    error("hours.window: the kind is hour, day, week or month, not " .. tostring(kind), 2)
  end
  local there = civil(now, zone, 2)
  if kind == "hour" then
    local begins, ends, offset = hour_window(now, there)
    return begins, ends, label:format(there.year, there.month, there.day, there.hour) .. offset
  elseif kind == "month" then
    local begins = host_zone.instant(zone, there.year, there.month, 1)
    return begins, host_zone.instant(zone, there.year, there.month + 1, 1), label:format(there.year, there.month)
  end
  local first = day_after(there, kind == "week" and 1 - there.weekday or 0)
  local begins = host_zone.instant(zone, first.year, first.month, first.day)
  local ends = host_zone.instant(zone, first.year, first.month, first.day + (kind == "week" and 7 or 1))
  return begins, ends, label:format(first.year, first.month, first.day)
end

return hours
