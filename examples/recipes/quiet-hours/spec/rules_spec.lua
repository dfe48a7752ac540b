local testing = require "bascule.testing"

describe("the recipe quiet-hours", function()
  local rules = testing.load "examples/recipes/quiet-hours/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("waits for the next morning, or for the same one before dawn", function()
    assert.defers(t.outbound({}, { now = "2026-01-02T23:00:00+08:00" }), "2026-01-03T08:00:00+08:00", "quiet hours")
    assert.defers(t.outbound({}, { now = "2026-01-03T03:00:00+08:00" }), "2026-01-03T08:00:00+08:00")
  end)
end)
