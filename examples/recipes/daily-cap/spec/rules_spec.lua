local testing = require "bascule.testing"

describe("the recipe daily-cap", function()
  local rules = testing.load "examples/recipes/daily-cap/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("waits for the morning and counts nothing", function()
    local decision = t.outbound({}, { now = "2026-01-02T12:00:00+08:00", memory = { today = { count = 3 } } })
    assert.defers(decision, "2026-01-03T08:00:00+08:00", "3 texts today")
    assert.is_nil(decision.memory)
  end)
end)
