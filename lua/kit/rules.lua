-- The rules of {{SLUG}}. `bascule rules test {{SLUG}}` runs the tests below and the specs in spec/.
local hours, text = require "bascule.hours", require "bascule.text"

local zone <const> = "Asia/Manila"

---@type bascule.Rules
local rules = {
  locations = { "{{LOCATION}}" },
}

function rules.outbound(message, context)
  if not hours.within(context.now, "08:00-21:00", zone) then
    return context.defer { until_ = hours.next(context.now, "08:00", zone), reason = "quiet hours" }
  end
  message.body = text.fit(message.body, { segments = 3 })
  return message
end

rules.tests = {
  ["waits at night for the morning"] = function(t)
    local decision = t.outbound({}, { now = "2026-01-02T23:00:00+08:00" })
    t.equal(decision.action, "defer")
    t.equal(decision.reason, "quiet hours")
  end,
}

return rules
