local testing = require "bascule.testing"

describe("the recipe reply-lock", function()
  local rules = testing.load "examples/recipes/reply-lock/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("sends by the usual way to who has not written", function()
    local message = t.outbound({}).message
    assert.are.equal("ACME", message.sender)
    assert.is_nil(message.provider)
  end)
end)
