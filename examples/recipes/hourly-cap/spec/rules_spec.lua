local testing = require "bascule.testing"

describe("the recipe hourly-cap", function()
  local rules = testing.load "examples/recipes/hourly-cap/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("waits for the next hour", function()
    local decision = t.outbound({}, { now = "2026-01-02T12:34:56+08:00", memory = { hour = { count = 100 } } })
    assert.defers(decision, "2026-01-02T13:00:00+08:00", "100 texts within the hour")
  end)

  it("takes the location's own number", function()
    local settings = { rule_hourly_most = "5" }
    assert.defers(t.outbound({}, { memory = { hour = { count = 5 } }, settings = settings }))
    assert.sends(t.outbound({}, { memory = { hour = { count = 4 } }, settings = settings }))
  end)
end)
