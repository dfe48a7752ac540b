-- Texts go on working days; those of the weekend and of holidays wait.
local hours = require "bascule.hours"

local zone <const> = "Asia/Manila"
local office <const> = { "mon-fri 09:00-12:00", "mon-fri 13:00-18:00", "sat 09:00-12:00" }
local holidays <const> = { "01-01", "05-01", "06-12", "11-30", "12-25", "12-30", "2026-04-02", "2026-04-03" }

return {
  locations = { "recipeOfficeHours0001" },
  outbound = function(message, context)
    local opens = hours.opens(context.now, office, zone, { holidays = holidays })
    if opens > context.now then
      return context.defer { until_ = opens, reason = "outside office hours" }
    end
    return message
  end,
  tests = {
    ["sends on a working day"] = function(t)
      t.equal(t.outbound({}, { now = "2026-01-02T09:00:00+08:00" }).action, "send")
    end,
    ["waits on a holiday"] = function(t)
      t.equal(t.outbound({}, { now = "2026-01-01T09:00:00+08:00" }).action, "defer")
    end,
  },
}
