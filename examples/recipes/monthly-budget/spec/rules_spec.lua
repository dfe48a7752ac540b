local testing = require "bascule.testing"

describe("the recipe monthly-budget", function()
  local rules = testing.load "examples/recipes/monthly-budget/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("refuses what would go beyond, and says by how much", function()
    local memory = { parts = { count = 4998 } }
    assert.rejects(t.outbound({ body = ("a"):rep(400) }, { memory = memory }),
      "the month's 5000 parts are used up (4998, and this text takes 3)")
    assert.sends(t.outbound({ body = ("a"):rep(300) }, { memory = memory }))
  end)
end)
