local testing = require "bascule.testing"

describe("the recipe countries", function()
  local rules = testing.load "examples/recipes/countries/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("says what is no number, and refuses numbers of no country", function()
    assert.rejects(t.outbound { to = "GCASH" }, "GCASH: not a telephone number")
    assert.rejects(t.outbound { to = "+80012345678" }, "no texts go to +80012345678")
  end)
end)
