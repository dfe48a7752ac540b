local testing = require "bascule.testing"

describe("the recipe blocklist", function()
  local rules = testing.load "examples/recipes/blocklist/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("takes no part of a word for one", function()
    assert.sends(t.outbound { body = "Casinos are not bingos; load is free" })
  end)
end)
