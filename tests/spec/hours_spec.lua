local testing = require "bascule.testing"
local hours = require "bascule.hours"

local zone <const> = "Asia/Manila"

local function at(clock)
  return testing.time("2026-01-05T" .. clock .. ":00+08:00")
end

describe("hours.within", function()
  local rows = {
    { "07:59", "08:00-21:00", false },
    { "08:00", "08:00-21:00", true },
    { "20:59", "08:00-21:00", true },
    { "21:00", "08:00-21:00", false },
    { "23:00", "21:00-06:00", true },
    { "05:59", "21:00-06:00", true },
    { "06:00", "21:00-06:00", false },
    { "00:00", "00:00-24:00", true },
    { "12:00", "12:00-12:00", false },
  }
  for _, row in ipairs(rows) do
    it(("%s is %s %s"):format(row[1], row[3] and "in" or "outside", row[2]), function()
      assert.are.equal(row[3], hours.within(at(row[1]), row[2], zone))
    end)
  end

  it("counts from an offset", function()
    assert.is_true(hours.within(testing.time "2026-01-05T00:00:00Z", "05:30-05:31", "+05:30"))
    assert.is_true(hours.within(testing.time "2026-01-05T00:00:00Z", "19:00-19:01", "-05:00"))
  end)
end)

describe("hours.next", function()
  it("is later today, or tomorrow", function()
    assert.are.equal(at "08:00", hours.next(at "07:59", "08:00", zone))
    assert.are.equal(at "08:00" + 24 * 3600 * 1000, hours.next(at "08:00", "08:00", zone))
    assert.are.equal(at "08:00" + 24 * 3600 * 1000, hours.next(at "21:00", "08:00", zone))
  end)
end)

describe("hours.at", function()
  it("knows the clock and the weekday there", function()
    assert.are.same({ hour = 7, minute = 59, weekday = 1 }, hours.at(at "07:59", zone))
    assert.are.equal(7, hours.at(at "07:59", "-05:00").weekday)
    assert.are.equal(4, hours.at(0, "UTC").weekday)
  end)
end)

describe("wrong arguments", function()
  local rows = {
    { "the zone America/New_York is unknown or has daylight saving", hours.at, 0, "America/New_York" },
    { "the zone nil is unknown", hours.at, 0 },
    { "8:00%-21:00 is no window", hours.within, 0, "8:00-21:00", zone },
    { "25:00 is no time of day", hours.next, 0, "25:00", zone },
    { "the time must be in whole milliseconds", hours.next, 0.5, "08:00", zone },
  }
  for _, row in ipairs(rows) do
    it(row[1], function()
      assert.error_matches(function()
        row[2](table.unpack(row, 3))
      end, row[1])
    end)
  end
end)
