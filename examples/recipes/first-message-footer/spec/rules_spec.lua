local testing = require "bascule.testing"

describe("the recipe first-message-footer", function()
  local rules = testing.load "examples/recipes/first-message-footer/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("adds nothing to a text that tells it already", function()
    local decision = t.outbound { body = "Sale! STOP to end" }
    assert.sends(decision, { body = "Sale! STOP to end" })
    assert.is_nil(decision.memory)
  end)
end)
