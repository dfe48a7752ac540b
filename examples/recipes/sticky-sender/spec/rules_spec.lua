local testing = require "bascule.testing"

describe("the recipe sticky-sender", function()
  local rules = testing.load "examples/recipes/sticky-sender/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("uses the whole pool, and leaves a number that is no longer in it", function()
    local used = {}
    for seed = 1, 50 do
      used[t.outbound({}, { seed = seed }).message.sender] = true
    end
    assert.is_true(used["+639170000001"] and used["+639170000002"] and used["+639170000003"])
    local sender = t.outbound({}, { memory = { sender = { value = "+639170009999" } } }).message.sender
    assert.are_not.equal("+639170009999", sender)
  end)
end)
