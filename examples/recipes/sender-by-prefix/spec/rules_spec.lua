local testing = require "bascule.testing"

describe("the recipe sender-by-prefix", function()
  local rules = testing.load "examples/recipes/sender-by-prefix/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("sends to the United States by another provider", function()
    assert.sends(t.outbound { to = "+12125550123" }, { sender = "+12125550100", provider = "twilio" })
  end)
end)
