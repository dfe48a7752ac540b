local testing = require "bascule.testing"

describe("the recipe fall-back", function()
  local rules = testing.load "examples/recipes/fall-back/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("takes no longer number for a code", function()
    assert.routes(t.outbound { body = "Call 09171234567" }, { "cast", "twilio" })
    assert.routes(t.outbound { body = "1234" }, { "twilio", "cast" })
  end)
end)
