local testing = require "bascule.testing"

describe("the recipe cost-limit", function()
  local rules = testing.load "examples/recipes/cost-limit/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("knows the country's price", function()
    assert.rejects(t.outbound { to = "+6581234567" }, "this text takes 1 parts and costs 2.40, more than 2.00")
    assert.rejects(t.outbound { to = "+447400123456" })
  end)
end)
