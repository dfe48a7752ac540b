local testing = require "bascule.testing"

describe("the recipe contact-fields", function()
  local rules = testing.load "examples/recipes/contact-fields/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("refuses a misspelt field", function()
    assert.error_matches(function()
      t.outbound { body = "Hi {{contact.firstname|there}}" }
    end, "contact.firstname}} is no field of a contact; did you mean 'first_name'")
  end)

  it("takes the shop's name from the location's settings", function()
    assert.sends(t.outbound({ body = "{{shop}}" }, { settings = { rule_shop = "Sari-Sari" } }), { body = "Sari-Sari" })
  end)
end)
