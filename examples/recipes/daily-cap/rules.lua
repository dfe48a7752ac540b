-- Three texts a day for each contact; what is more waits for the next morning.
local caps, hours = require "bascule.caps", require "bascule.hours"

local most <const>, zone <const> = 3, "Asia/Manila"

return {
  locations = { "recipeDailyCap0000001" },
  memory = { today = { kind = "counter", per = "contact", window = "day", zone = zone } },
  outbound = function(message, context)
    if not caps.take(context, "today", most) then
      local _, tomorrow = hours.window(context.now, "day", zone)
      return context.defer { until_ = hours.next(tomorrow, "08:00", zone), reason = most .. " texts today" }
    end
    return message
  end,
  tests = {
    ["counts what it sends"] = function(t)
      local decision = t.outbound({}, { memory = { today = { count = 2 } } })
      t.equal(decision.action, "send")
      t.equal(decision.memory, { { name = "today", op = "add", by = 1, most = 3 } })
    end,
    ["lets the fourth wait"] = function(t)
      t.equal(t.outbound({}, { memory = { today = { count = 3 } } }).reason, "3 texts today")
    end,
  },
}
