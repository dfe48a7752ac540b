local testing = require "bascule.testing"

describe("the recipe cheap-alphabet", function()
  local rules = testing.load "examples/recipes/cheap-alphabet/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("keeps what the alphabet has", function()
    local body = "Niño é " .. ("a"):rep(100)
    assert.sends(t.outbound { body = body .. "😀" }, { body = body })
  end)
end)
