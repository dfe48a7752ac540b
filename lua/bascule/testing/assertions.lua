-- Assertions of busted for what rules return, made known by `require "bascule.testing"` where busted runs. Each takes a
-- decision (testing.t) or what a function of the rules returned.
--
--   assert.sends(result)                          assert.sends(result, { body = "Hi", sender = "ACME" })
--   assert.rejects(result)                        assert.rejects(result, "quiet hours")
--   assert.defers(result, "2026-01-06T08:00:00+08:00", "quiet hours")
--   assert.routes(result, { "cast", "twilio" })   assert.splits(result, { "first", { body = "second" } })
local clock = require "bascule.testing.clock"
local contexts = require "bascule.testing.context"

local assertions = {}

local function action_of(result)
  local answered = type(result) == "table" and (getmetatable(result) == contexts.result.__metatable or result.action)
  return answered and result.action or type(result) == "table" and "send" or type(result)
end

local function message_of(result)
  return result.action == "send" and result.message or result
end

local function same(actual, expected)
  if type(actual) ~= "table" or type(expected) ~= "table" then
    return actual == expected
  end
  for key, value in pairs(expected) do
    if not same(actual[key], value) then
      return false
    end
  end
  for key in pairs(actual) do
    if expected[key] == nil then
      return false
    end
  end
  return true
end

local function show(value)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local parts = {}
  for key, field in pairs(value) do
    parts[#parts + 1] = ("%s = %s"):format(tostring(key), show(field))
  end
  table.sort(parts)
  return "{ " .. table.concat(parts, ", ") .. " }"
end

-- Those of the expected fields that differ; nil where none does.
local function difference(actual, expected)
  local lines = {}
  for key, value in pairs(expected or {}) do
    if not same(actual[key], value) then
      lines[#lines + 1] = ("%s is %s, expected %s"):format(key, show(actual[key]), show(value))
    end
  end
  table.sort(lines)
  return lines[1] and table.concat(lines, "; ") or nil
end

local function told(result)
  local action = action_of(result)
  if action == "reject" or action == "defer" then
    return ("it %ss: %s"):format(action, show(result.reason))
  end
  return "it is " .. action
end

-- Each gives nothing where all is well, else what is not.

local checks = {}

function checks.sends(result, expected)
  if action_of(result) ~= "send" then
    return "expected the message to be sent, but " .. told(result)
  end
  return difference(message_of(result), expected)
end

function checks.rejects(result, reason)
  if action_of(result) ~= "reject" then
    return "expected the message to be rejected, but " .. told(result)
  elseif reason and result.reason ~= reason then
    return ("expected the reason %s, but it is %s"):format(show(reason), show(result.reason))
  end
end

function checks.defers(result, time, reason)
  if action_of(result) ~= "defer" then
    return "expected the message to be deferred, but " .. told(result)
  end
  local at, wanted = result.until_ or result.until_ms, clock.ms(time)
  if wanted and at ~= wanted then
    return ("expected it deferred until %s, but it is until %s"):format(clock.text(wanted), clock.text(at))
  elseif reason and result.reason ~= reason then
    return ("expected the reason %s, but it is %s"):format(show(reason), show(result.reason))
  end
end

function checks.routes(result, providers)
  if action_of(result) ~= "send" or not result.providers then
    return "expected the message to be routed, but " .. told(result)
  elseif providers and not same(result.providers, providers) then
    return ("expected the providers %s, but they are %s"):format(show(providers), show(result.providers))
  end
end

local function part_difference(part, expected)
  part = type(part) == "string" and { body = part } or part
  return difference(part, type(expected) == "string" and { body = expected } or expected)
end

function checks.splits(result, expected)
  if action_of(result) ~= "split" then
    return "expected the message to be split, but " .. told(result)
  elseif expected and #result.parts ~= #expected then
    return ("expected %d messages, but there are %d"):format(#expected, #result.parts)
  end
  for i, part in ipairs(expected or {}) do
    local what = part_difference(result.parts[i], part)
    if what then
      return ("message %d: %s"):format(i, what)
    end
  end
end

-- luassert shows state.failure_message; `assert.is_not.sends` works as well.
local function assertion(check)
  return function(state, arguments)
    local what = check(table.unpack(arguments, 1, arguments.n))
    state.failure_message = what
    return what == nil
  end
end

function assertions.register()
  local loaded, luassert = pcall(require, "luassert")
  if not loaded then
    return
  end
  for name, check in pairs(checks) do
    luassert:register("assertion", name, assertion(check))
  end
end

return assertions
