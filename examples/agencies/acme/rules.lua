-- ACME sends within the day, under its own name, in at most three parts; what comes at night waits for the morning.
local hours, phone, text = require "bascule.hours", require "bascule.phone", require "bascule.text"

local zone <const> = "Asia/Manila"

return {
  locations = { "GKAWb4yu7A4LSc0skQ6g" },
  outbound = function(message, context)
    if not hours.within(context.now, "08:00-21:00", zone) then
      return context.defer { until_ = hours.next(context.now, "08:00", zone), reason = "quiet hours" }
    end
    message.to = phone.national(message.to, "PH")
    message.sender = "ACME"
    message.body = text.fit(message.body, { segments = 3 })
    return message
  end,
  tests = {
    ["waits at night for the morning"] = function(t)
      local decision = t.outbound({}, { now = "2026-01-02T23:00:00+08:00" })
      t.equal(decision, { action = "defer", until_ = 1767398400000, reason = "quiet hours" })
    end,
    ["sends by day under its own name"] = function(t)
      local decision = t.outbound({ to = "+63 917 123 4567" }, { now = "2026-01-02T12:00:00+08:00" })
      t.equal(decision.message.sender, "ACME")
      t.equal(decision.message.to, "09171234567")
    end,
  },
}
