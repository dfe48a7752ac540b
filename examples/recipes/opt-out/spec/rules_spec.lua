local testing = require "bascule.testing"

describe("the recipe opt-out", function()
  local rules = testing.load "examples/recipes/opt-out/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("takes START for the way back, and no YES to a question", function()
    local decision = t.inbound { body = "start" }
    assert.are.same({ false, "forget" }, { decision.dnd, decision.memory[1].op })
    assert.matches("again", decision.reply)
    assert.is_nil(t.inbound({ body = "Yes" }).dnd)
  end)

  it("leaves other messages alone, and shows them all in the conversation", function()
    local decision = t.inbound { body = "Please stop by tomorrow" }
    assert.sends(decision, { body = "Please stop by tomorrow" })
    assert.is_nil(decision.dnd)
    assert.sends(t.inbound { body = "STOP" }, { body = "STOP" })
  end)
end)
