-- host.zone for specs under plain Lua: UTC, Asia/Manila and offsets. The host's own zones are tzdata's.
local zone = {}

local day_ms <const> = 24 * 3600 * 1000

-- Days since 1970 of a date and back, after Howard Hinnant's days_from_civil and civil_from_days.
local function days_from(year, month, day)
  year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
  year = month <= 2 and year - 1 or year
  local era, of_era = year // 400, year % 400
  local of_year = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
  return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
end

local function date_of(days)
  days = days + 719468
  local era, of_era = days // 146097, days % 146097
  local year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
  local of_year = of_era - (365 * year + year // 4 - year // 100)
  local shifted = (5 * of_year + 2) // 153
  local month = shifted + (shifted < 10 and 3 or -9)
  return year + era * 400 + (month <= 2 and 1 or 0), month, of_year - (153 * shifted + 2) // 5 + 1
end

local function offset_s(name)
  name = name == "UTC" and "+00:00" or name == "Asia/Manila" and "+08:00" or name
  local sign, hour, minute = name:match "^([+-])(%d%d):(%d%d)$"
  local seconds = sign and (tonumber(hour) * 60 + tonumber(minute)) * 60
  return seconds and (sign == "+" and seconds or -seconds)
end

local function unknown(name)
  return nil, ("INVALID: the zone %s is not known here"):format(name), "INVALID"
end

function zone.civil(name, ms)
  local offset = offset_s(name)
  if not offset then
    return unknown(name)
  end
  local there = ms + offset * 1000
  local year, month, day = date_of(there // day_ms)
  local seconds = there % day_ms // 1000
  return {
    year = year,
    month = month,
    day = day,
    hour = seconds // 3600,
    minute = seconds // 60 % 60,
    second = seconds % 60,
    weekday = (there // day_ms + 3) % 7 + 1, -- 1970-01-01 was a Thursday
    offset_s = offset,
  }
end

function zone.instant(name, year, month, day, hour, minute, second)
  local offset = offset_s(name)
  if not offset then
    return unknown(name)
  end
  local seconds = ((hour or 0) * 60 + (minute or 0)) * 60 + (second or 0) - offset
  return days_from(year, month, day) * day_ms + seconds * 1000, "unique"
end

return zone
