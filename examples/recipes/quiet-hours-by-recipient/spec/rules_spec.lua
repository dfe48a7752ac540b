local testing = require "bascule.testing"

describe("the recipe quiet-hours-by-recipient", function()
  local rules = testing.load "examples/recipes/quiet-hours-by-recipient/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  local function to_chicago(now)
    return t.outbound({ to = "+12125550123", contact = { timezone = "America/Chicago" } }, { now = now })
  end

  it("goes with the clocks when they are put forward", function()
    assert.defers(to_chicago "2026-03-07T13:30:00Z", "2026-03-07T14:00:00Z") -- 07:30 CST
    assert.sends(to_chicago "2026-03-08T13:30:00Z") -- 08:30 CDT
    assert.defers(to_chicago "2026-03-08T03:30:00Z", "2026-03-08T13:00:00Z") -- a night of 23 hours
  end)

  it("takes the country's zone where the contact has none", function()
    assert.defers(t.outbound({}, { now = "2026-01-02T15:00:00Z" }), "2026-01-03T08:00:00+08:00")
    assert.defers(t.outbound({ to = "+447400123456" }, { now = "2026-07-02T06:30:00Z" }), "2026-07-02T08:00:00+01:00")
  end)

  it("waits for the day on both coasts where nothing is known", function()
    assert.defers(t.outbound({ to = "+12125550123" }, { now = "2026-01-02T14:00:00Z" }), "2026-01-02T16:00:00Z")
  end)
end)
