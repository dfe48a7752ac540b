local testing = require "bascule.testing"

describe("the recipe staging", function()
  local rules = testing.load "examples/recipes/staging/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("leaves texts to its own phones alone", function()
    assert.sends(t.outbound { to = "0917 000 0002", body = "Hi" }, { to = "0917 000 0002", body = "Hi" })
  end)

  it("takes the location's own phone", function()
    assert.sends(t.outbound({}, { settings = { rule_test_number = "+639179999999" } }), { to = "+639179999999" })
  end)
end)
