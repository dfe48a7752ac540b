-- Texts go by day; what comes at night waits for the morning.
local hours = require "bascule.hours"

local by_day <const>, zone <const> = "08:00-21:00", "Asia/Manila"

return {
  locations = { "recipeQuietHours00001" },
  outbound = function(message, context)
    local opens = hours.opens(context.now, by_day, zone)
    if opens > context.now then
      return context.defer { until_ = opens, reason = "quiet hours" }
    end
    return message
  end,
  tests = {
    ["sends by day"] = function(t)
      t.equal(t.outbound({}, { now = "2026-01-02T20:59:00+08:00" }).action, "send")
    end,
    ["waits at night"] = function(t)
      local decision = t.outbound({}, { now = "2026-01-02T21:00:00+08:00" })
      t.equal(decision.action, "defer")
      t.equal(decision.reason, "quiet hours")
    end,
  },
}
