local testing = require "bascule.testing"

describe("the recipe help-words", function()
  local rules = testing.load "examples/recipes/help-words/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("answers in one part, to a word of its own too", function()
    local reply = t.inbound({ body = "Paano?" }).reply
    assert.are.equal(1, require("bascule.text").segments(reply).parts)
  end)
end)
