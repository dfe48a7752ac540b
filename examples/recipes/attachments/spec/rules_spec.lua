local testing = require "bascule.testing"

describe("the recipe attachments", function()
  local rules = testing.load "examples/recipes/attachments/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("sends links alone where there is no text", function()
    assert.sends(t.outbound { body = "", attachments = { "https://files.example/a.png" } },
      { body = "https://files.example/a.png" })
  end)

  it("leaves out what is too much, and says so", function()
    local decision = t.outbound { attachments = { "a", "b", "c", "d", "e" } }
    assert.sends(decision, { body = "Kumusta\na\nb\nc" })
    assert.are.same({ "2 attachments were left out" }, decision.log)
  end)
end)
