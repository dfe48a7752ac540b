local testing = require "bascule.testing"

describe("the recipe away", function()
  local rules = testing.load "examples/recipes/away/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("says nothing by day", function()
    local decision = t.inbound({}, { now = "2026-01-02T12:00:00+08:00" })
    assert.is_nil(decision.reply)
    assert.is_nil(decision.memory)
  end)
end)
