local testing = require "bascule.testing"

describe("the recipe keywords", function()
  local rules = testing.load "examples/recipes/keywords/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("leaves sentences and other words to people", function()
    for _, body in ipairs { "What is the price of colour?", "Salamat", "", "[PRICE]" } do
      local decision = t.inbound { body = body }
      assert.sends(decision, { body = body })
      assert.is_nil(decision.reply)
    end
  end)
end)
