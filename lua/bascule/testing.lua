-- For the specs of rules, under plain Lua with busted: the rules' library, and a context whose clock stands still.
--
--   local testing = require "bascule.testing"
--   local rules = testing.load "examples/agencies/acme/rules.lua"
--   local context = testing.context { now = testing.time "2026-01-02T09:00:00+08:00" }
--   local result = rules.outbound(testing.message { body = "Kumusta" }, context)
--
-- A result of context.reject, defer or route is a table with `action`; anything else is the message to send.
-- `require "bascule.text"` and its kin work in rules as they do in the host. Numbers are read by a small stand-in for
-- the host's parser (bascule.testing.phone), which knows Philippine numbers and E.164.
local testing = {}

-- The host gives the rules' library under "bascule.NAME"; its files are bascule/rules/NAME.lua.
local function find_library(name)
  local short = name:match "^bascule%.([%w_]+)$"
  local path = short and package.searchpath("bascule.rules." .. short, package.path)
  if path then
    return assert(loadfile(path)), path
  end
  return "\n\tno file of the rules' library for '" .. name .. "'"
end

if not package.loaded["bascule.testing"] then
  table.insert(package.searchers, find_library)
  package.preload["host.phone"] = package.preload["host.phone"] or function()
    return require "bascule.testing.phone"
  end
end

--- The table that a rules file returns, loaded afresh.
---@param path string
---@return table
function testing.load(path)
  return assert(loadfile(path, "t"))()
end

--- Milliseconds since 1970 of "2026-01-02T09:00:00+08:00" (or "...Z").
---@param text string
---@return integer
function testing.time(text)
  local year, month, day, hour, minute, second, zone =
    text:match "^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d)(.*)$"
  local sign, zone_hour, zone_minute = (zone or ""):gsub("^Z$", "+00:00"):match "^([+-])(%d%d):(%d%d)$"
  assert(sign, text .. ' is no time such as "2026-01-02T09:00:00+08:00"')
  -- Days from the civil calendar, after Howard Hinnant's days_from_civil.
  local y, m = tonumber(year), tonumber(month)
  y = m <= 2 and y - 1 or y
  local era, of_era = y // 400, y % 400
  local of_year = (153 * (m + (m > 2 and -3 or 9)) + 2) // 5 + tonumber(day) - 1
  local days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
  local offset = (tonumber(zone_hour) * 60 + tonumber(zone_minute)) * (sign == "+" and 1 or -1)
  local minutes = (days * 24 + tonumber(hour)) * 60 + tonumber(minute) - offset
  return math.tointeger((minutes * 60 + tonumber(second)) * 1000)
end

--- A context as the host gives it. Without `now` it is 2026-01-05, a Monday, at noon in Manila.
---@param fields? {now?: integer, location?: string, company?: string, settings?: table<string,string>}
---@return table
function testing.context(fields)
  fields = fields or {}
  return {
    now = fields.now or testing.time "2026-01-05T12:00:00+08:00",
    location = fields.location or "location1",
    company = fields.company,
    settings = fields.settings or {},
    reject = function(reason)
      assert(type(reason) == "string", "context.reject's reason must be a text")
      return { action = "reject", reason = reason }
    end,
    defer = function(options)
      assert(math.type(options.until_) ~= nil, "context.defer's until_ must be a time in milliseconds")
      return { action = "defer", until_ms = options.until_, reason = options.reason }
    end,
    route = function(providers)
      assert(#providers > 0, 'context.route needs at least one provider: context.route { "cast" }')
      return { action = "send", providers = providers }
    end,
  }
end

--- An outbound message as the host gives it.
---@param fields? table
---@return table
function testing.message(fields)
  local message = {
    type = "SMS",
    to = "+639171234567",
    body = "Kumusta",
    attachments = {},
    contact_id = "contact1",
    message_id = "message1",
    payload = {},
  }
  for name, value in pairs(fields or {}) do
    message[name] = value
  end
  return message
end

local function time_of(now)
  return type(now) == "string" and testing.time(now) or now
end

local function first(list, otherwise)
  return list and list[1] or otherwise
end

--- What the host gives to the tests within a rules file, so that busted can run them too:
---
---     for name, test in pairs(rules.tests) do
---       it(name, function() test(testing.t(rules)) end)
---     end
---@param rules table
---@return table
function testing.t(rules)
  local t = {}

  function t.outbound(fields, context)
    context = context or {}
    local message = testing.message(fields)
    local result = rules.outbound(
      message,
      testing.context {
        now = time_of(context.now or "2026-01-02T04:00:00Z"),
        location = context.location or first(rules.locations, "location1"),
        company = context.company or first(rules.companies),
        settings = context.settings,
      }
    )
    if not result.action then
      return { action = "send", message = result }
    end
    return {
      action = result.action,
      message = result.action == "send" and message or nil,
      reason = result.reason,
      until_ = result.until_ms,
      providers = result.providers,
    }
  end

  function t.equal(actual, expected, what)
    require "luassert".are.same(expected, actual, what)
  end

  return t
end

return testing
