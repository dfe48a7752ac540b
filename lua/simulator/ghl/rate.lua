-- GHL's rate limits: a burst in a window of 10 s and a number a day, for each app and resource (location or company).
local faults = require "simulator.faults"
local options = require "simulator.options"
local time = require "host.time"

local rate = {}

local window_ms, day_ms, daily = 10000, 86400 * 1000, 200000
local unlimited = 1000000

local windows, days = {}, {}

--- Counts one use in the resource's current period and returns how many that makes.
local function use(periods, resource, length_ms, now_ms)
  local period = periods[resource]
  if not period or now_ms - period.began_ms >= length_ms then
    period = { began_ms = now_ms, used = 0 }
    periods[resource] = period
  end
  period.used = period.used + 1
  return period.used
end

--- Counts a request. Returns the headers that tell what is left, and whether it is over the limit.
---@param resource string
---@return table<string,string> headers, boolean over
function rate.count(resource)
  local limit = faults.value("ghl", "rate_limit", options.rate_limit)
  local most = limit > 0 and limit or unlimited
  local now_ms = time.monotonic_ms()
  local used = use(windows, resource, window_ms, now_ms)
  local used_today = use(days, resource, day_ms, now_ms)
  local headers = {
    ["x-ratelimit-max"] = tostring(most),
    ["x-ratelimit-remaining"] = tostring(math.max(0, most - used)),
    ["x-ratelimit-interval-milliseconds"] = tostring(window_ms),
    ["x-ratelimit-limit-daily"] = tostring(limit > 0 and daily or unlimited * 100),
    ["x-ratelimit-daily-remaining"] = tostring(math.max(0, (limit > 0 and daily or unlimited * 100) - used_today)),
  }
  return headers, used > most or (limit > 0 and used_today > daily)
end

return rate
