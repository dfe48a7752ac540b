local testing = require "bascule.testing"

describe("the recipe weighted-routing", function()
  local rules = testing.load "examples/recipes/weighted-routing/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("gives a tenth to twilio", function()
    local firsts = { cast = 0, twilio = 0 }
    for seed = 1, 1000 do
      local first = t.outbound({}, { seed = seed }).providers[1]
      firsts[first] = firsts[first] + 1
    end
    assert.is_true(firsts.twilio > 60 and firsts.twilio < 140, firsts.twilio .. " of 1000")
  end)
end)
