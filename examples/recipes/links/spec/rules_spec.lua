local testing = require "bascule.testing"

describe("the recipe links", function()
  local rules = testing.load "examples/recipes/links/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("is not deceived by what only looks like its own", function()
    assert.sends(t.outbound { body = "a https://acme.example.evil.test/ b" }, { body = "a b" })
    assert.sends(t.outbound { body = "a https://ACME.example/ b" }, { body = "a https://ACME.example/ b" })
  end)

  it("refuses a text of nothing else", function()
    assert.rejects(t.outbound { body = "https://bit.ly/x" })
  end)
end)
