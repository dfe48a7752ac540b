local testing = require "bascule.testing"

describe("acme", function()
  local rules = testing.load "examples/agencies/acme/rules.lua"

  local function outbound(fields, now)
    return rules.outbound(testing.message(fields), testing.context { now = testing.time(now) })
  end

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(testing.t(rules))
    end)
  end

  it("sends by day under its own name, with a national number", function()
    local message = outbound({ to = "+63 917 123 4567" }, "2026-01-05T20:59:59+08:00")
    assert.are.equal("09171234567", message.to)
    assert.are.equal("ACME", message.sender)
    assert.are.equal("Kumusta", message.body)
  end)

  it("defers at night until the next morning", function()
    local result = outbound({}, "2026-01-05T21:00:00+08:00")
    assert.are.equal("defer", result.action)
    assert.are.equal(testing.time "2026-01-06T08:00:00+08:00", result.until_ms)
    assert.are.equal("quiet hours", result.reason)
  end)

  it("defers before dawn until the same morning", function()
    local result = outbound({}, "2026-01-05T03:00:00+08:00")
    assert.are.equal(testing.time "2026-01-05T08:00:00+08:00", result.until_ms)
  end)

  it("cuts a long text to three parts", function()
    local message = outbound({ body = ("a"):rep(1000) }, "2026-01-05T12:00:00+08:00")
    assert.are.equal(459, #message.body)
    assert.are.equal("...", message.body:sub(-3))
  end)

  it("refuses what is no number, and says which", function()
    local ok, reason = pcall(outbound, { to = "GCASH" }, "2026-01-05T12:00:00+08:00")
    assert.is_false(ok)
    assert.are.equal("examples/agencies/acme/rules.lua:12: phone.national: GCASH: not a telephone number", reason)
  end)
end)
