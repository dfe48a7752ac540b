-- For the specs of rules, with busted inside the host (`bascule rules test`, `bascule lua`): the rules' library,
-- contexts whose clock stands still, messages as the host makes them, and assertions.
--
--   local testing = require "bascule.testing"
--   local rules = testing.load "agencies/acme/rules.lua"
--   local t = testing.t(rules)
--
--   assert.sends(t.outbound({ body = "Kumusta" }, { now = "2026-01-02T09:00:00+08:00" }), { sender = "ACME" })
--   assert.defers(t.outbound({}, { now = "2026-01-02T23:00:00+08:00" }), "2026-01-03T08:00:00+08:00", "quiet hours")
--   assert.rejects(t.inbound { body = "STOP" }, "opted out")
--
-- t's functions run the rules as the host does, and check what they return as it does. A rule may as well be called
-- directly, with testing.message and testing.context; what it asked for beside its answer is testing.recorded(context).
--
-- `require "bascule.text"` and its kin give rules what the host gives them; numbers and time zones are the host's own.
---@meta bascule.testing

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
end

local clock = require "bascule.testing.clock"
local contexts = require "bascule.testing.context"
local decision = require "bascule.testing.decision"
local messages = require "bascule.testing.messages"
local suggest = require "bascule.suggest"

require("bascule.testing.assertions").register()

local testing = {
  time = clock.time,
  duration = clock.duration,
  clock = clock.new,
  event = messages.event,
  recorded = contexts.recorded,
}

local noon <const> = "2026-01-02T12:00:00+08:00" -- a Friday in Manila
local context_keys <const> = { "now", "location", "company", "agency", "settings", "seed", "attempt", "memory" }

--- The folder of the agency whose spec asks (`agencies/acme` of agencies/acme/spec/rules_spec.lua).
---@return string
function testing.folder()
  local source = debug.getinfo(2, "S").source
  return source:match "^@(.*)/spec/[^/]*$" or error("testing.folder: " .. source .. " is in no folder spec", 2)
end

--- The table that a rules file returns, loaded afresh.
---@param path string
---@return bascule.Rules
function testing.load(path)
  return assert(loadfile(path, "t"))()
end

--- An outbound message as the host gives it to rules.
---@param fields? table
---@return bascule.OutboundMessage
function testing.message(fields)
  return messages.outbound(fields)
end

--- An inbound message as the host gives it to rules.
---@param fields? table
---@return bascule.InboundMessage
function testing.inbound(fields)
  return messages.inbound(fields)
end

--- A status on its way to GHL as the host gives it to rules.
---@param fields? table
---@return bascule.StatusReport
function testing.report(fields)
  return messages.report(fields)
end

local function first(list, otherwise)
  return list and list[1] or otherwise
end

local function complete(fields, rules)
  suggest.check_options(fields, context_keys, 4)
  return {
    now = clock.ms(fields.now or noon),
    location = fields.location or first(rules and rules.locations, "location1"),
    company = fields.company or first(rules and rules.companies),
    agency = fields.agency or "agency1",
    settings = fields.settings or {},
    seed = fields.seed or 0,
    attempt = fields.attempt or 0,
    memory = fields.memory,
  }
end

--- A context as the host gives it; what is left out has fixed values, noon of 2026-01-02 in Manila among them. `now` is
--- in milliseconds or a text. With `rules` the names of their memory are checked, and what was not given is empty.
---@param fields? table
---@param rules? bascule.Rules
---@return bascule.Context
function testing.context(fields, rules)
  return contexts.new(complete(fields or {}, rules), rules and (rules.memory or {}))
end

--- What the host gives to the tests within a rules file, so that busted can run them too:
---
---     for name, test in pairs(rules.tests) do
---       it(name, function() test(testing.t(rules)) end)
---     end
---@param rules bascule.Rules
---@return bascule.Tests
function testing.t(rules)
  local t = {}
  for kind, make in pairs { outbound = messages.outbound, inbound = messages.inbound, report = messages.report } do
    t[kind] = function(fields, context)
      if not rules[kind] then
        error("the rules have no " .. kind, 2)
      end
      local made = contexts.new(complete(context or {}, rules), rules.memory or {}, kind)
      return decision.run(rules, kind, make(fields), made)
    end
  end

  function t.equal(actual, expected, what)
    require "luassert".are.same(expected, actual, what)
  end

  return t
end

return testing
