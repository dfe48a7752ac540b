local testing = require "bascule.testing"

describe("the recipe office-hours", function()
  local rules = testing.load "examples/recipes/office-hours/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("waits over lunch, the weekend and Holy Week", function()
    assert.defers(t.outbound({}, { now = "2026-01-02T12:30:00+08:00" }), "2026-01-02T13:00:00+08:00")
    assert.defers(t.outbound({}, { now = "2026-01-03T12:00:00+08:00" }), "2026-01-05T09:00:00+08:00")
    assert.defers(t.outbound({}, { now = "2026-04-01T18:00:00+08:00" }), "2026-04-04T09:00:00+08:00")
  end)
end)
