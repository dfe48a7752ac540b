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
    local there = hours.at(at "07:59", zone)
    assert.are.same({ 2026, 1, 5, 7, 59, 1, 28800 },
      { there.year, there.month, there.day, there.hour, there.minute, there.weekday, there.offset_s })
    assert.are.equal(7, hours.at(at "07:59", "-05:00").weekday)
    assert.are.equal(4, hours.at(0, "UTC").weekday)
  end)
end)

describe("daylight saving time in New York", function()
  local york <const> = "America/New_York" -- clocks: 2026-03-08 02:00 to 03:00, 2026-11-01 02:00 to 01:00
  local time = testing.time

  it("moves the window with the clocks", function()
    assert.is_false(hours.within(time "2026-03-07T12:30:00Z", "08:00-21:00", york))
    assert.is_true(hours.within(time "2026-03-08T12:30:00Z", "08:00-21:00", york))
  end)

  it("makes a night an hour shorter or longer", function()
    assert.are.equal(time "2026-03-08T08:00:00-04:00", hours.next(time "2026-03-07T22:00:00-05:00", "08:00", york))
    assert.are.equal(time "2026-11-01T08:00:00-05:00", hours.next(time "2026-10-31T22:00:00-04:00", "08:00", york))
  end)

  it("begins a window that the clocks skip when they are put forward", function()
    local begins = hours.opens(time "2026-03-08T00:00:00-05:00", "02:30-05:00", york)
    assert.are.equal(time "2026-03-08T03:00:00-04:00", begins)
    assert.is_true(hours.within(begins, "02:30-05:00", york))
  end)

  it("leaves out a window that is skipped wholly", function()
    local begins = hours.opens(time "2026-03-08T00:00:00-05:00", "02:00-03:00", york)
    assert.are.equal(time "2026-03-09T02:00:00-04:00", begins)
  end)

  it("takes the first of a time that clocks show twice", function()
    assert.are.equal(time "2026-11-01T01:30:00-04:00", hours.next(time "2026-11-01T00:00:00-04:00", "01:30", york))
    assert.are.equal(time "2026-11-02T01:30:00-05:00", hours.next(time "2026-11-01T01:30:00-04:00", "01:30", york))
  end)

  it("counts days of 23 and 25 hours, and the repeated hour as one of its own", function()
    local begins, ends, label = hours.window(time "2026-03-08T12:00:00-04:00", "day", york)
    assert.are.same({ 23 * 3600000, "2026-03-08" }, { ends - begins, label })
    begins, ends = hours.window(time "2026-11-01T12:00:00-05:00", "day", york)
    assert.are.equal(25 * 3600000, ends - begins)
    local _, first_ends, first = hours.window(time "2026-11-01T01:30:00-04:00", "hour", york)
    local second_begins, _, second = hours.window(time "2026-11-01T01:30:00-05:00", "hour", york)
    assert.are.same({ "2026-11-01T01-04:00", "2026-11-01T01-05:00" }, { first, second })
    assert.are.equal(first_ends, second_begins)
  end)
end)

describe("days", function()
  local office <const> = { "mon-fri 08:00-12:00", "mon-fri 13:00-17:00", "sat 09:00-12:00" }
  local holidays <const> = { holidays = { "2026-01-09", "01-12" } }

  local function day(date, clock)
    return testing.time(("2026-01-%02dT%s:00+08:00"):format(date, clock)) -- the 5th is a Monday
  end

  local rows = {
    { 5, "11:59", 5, "11:59" },
    { 5, "12:00", 5, "13:00" },
    { 8, "17:00", 10, "09:00" }, -- Friday the 9th is a holiday
    { 10, "12:00", 13, "08:00" }, -- and so is every 12th of January
    { 11, "10:00", 13, "08:00" },
  }
  for _, row in ipairs(rows) do
    it(("from the %dth at %s it opens on the %dth at %s"):format(table.unpack(row)), function()
      local now, opens = day(row[1], row[2]), day(row[3], row[4])
      assert.are.equal(opens, hours.opens(now, office, zone, holidays))
      assert.are.equal(now == opens, hours.within(now, office, zone, holidays))
    end)
  end

  it("gives a window past midnight to the day on which it begins", function()
    assert.is_true(hours.within(day(10, "03:00"), "fri 21:00-06:00", zone))
    assert.is_false(hours.within(day(9, "03:00"), "fri 21:00-06:00", zone))
    assert.is_false(hours.within(day(10, "03:00"), "fri 21:00-06:00", zone, holidays))
  end)

  it("takes rows of days around the week's end, and lists", function()
    assert.is_true(hours.within(day(11, "09:00"), "sat-mon 08:00-10:00", zone))
    assert.is_false(hours.within(day(6, "09:00"), "sat-mon 08:00-10:00", zone))
    assert.is_true(hours.within(day(7, "09:00"), "Mon, wed 08:00-10:00", zone))
  end)

  it("says where no window ever begins", function()
    assert.error_matches(function()
      hours.opens(day(5, "09:00"), "12:00-12:00", zone)
    end, "hours.opens: no window begins within 400 days")
  end)

  it("labels a week by its Monday and a month by its name", function()
    local begins, ends, label = hours.window(day(11, "09:00"), "week", zone)
    assert.are.same({ day(5, "00:00"), day(12, "00:00"), "2026-01-05" }, { begins, ends, label })
    begins, ends, label = hours.window(day(11, "09:00"), "month", zone)
    assert.are.same({ day(1, "00:00"), testing.time "2026-02-01T00:00:00+08:00", "2026-01" }, { begins, ends, label })
    assert.are.equal("2026-01-11", (select(3, hours.window(day(11, "09:00"), "day", zone))))
  end)
end)

describe("wrong arguments", function()
  local rows = {
    { "the zone America/New_Yrok is not known; did you mean America/New_York%?", hours.at, 0, "America/New_Yrok" },
    { "a zone is a text such as \"Asia/Manila\", not nil", hours.at, 0 },
    { "funday 08:00%-21:00 is no window", hours.within, 0, "funday 08:00-21:00", zone },
    { "mon%- 08:00%-21:00 is no window", hours.within, 0, "mon- 08:00-21:00", zone },
    { "there is no window", hours.opens, 0, {}, zone },
    { "Christmas is no date", hours.within, 0, "08:00-21:00", zone, { holidays = { "Christmas" } } },
    { "unknown option 'holiday'; did you mean 'holidays'", hours.opens, 0, "08:00-21:00", zone, { holiday = {} } },
    { "the kind is hour, day, week or month, not year", hours.window, 0, "year", zone },
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
