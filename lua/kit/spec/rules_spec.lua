local testing = require "bascule.testing"

local folder = testing.folder()

describe("{{SLUG}}", function()
  local rules = testing.load(folder .. "/rules.lua")
  local t = testing.t(rules)

  it("sends by day", function()
    local message = testing.event(folder .. "/fixtures/outbound.json")
    assert.sends(t.outbound(message, { now = "2026-01-02T09:00:00+08:00" }), { body = "Kumusta" })
  end)

  it("waits at night for the morning", function()
    assert.defers(t.outbound({}, { now = "2026-01-02T23:00:00+08:00" }), "2026-01-03T08:00:00+08:00", "quiet hours")
  end)

  it("cuts a long text to three parts", function()
    local decision = t.outbound { body = ("a"):rep(1000) }
    assert.are.equal(459, #decision.message.body)
  end)
end)
