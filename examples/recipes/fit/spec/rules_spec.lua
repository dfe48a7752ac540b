local testing = require "bascule.testing"

describe("the recipe fit", function()
  local rules = testing.load "examples/recipes/fit/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("folds before it cuts", function()
    assert.sends(t.outbound { body = "“" .. ("a"):rep(150) .. "”" }, { body = '"' .. ("a"):rep(150) .. '"' })
  end)

  it("leaves what fits, and says nothing", function()
    local decision = t.outbound { body = "Kumusta" }
    assert.sends(decision, { body = "Kumusta" })
    assert.is_nil(decision.log)
  end)
end)
