-- 100 texts an hour for the whole location; the rest waits for the next hour. The location's setting rule_hourly_most
-- may say another number.
local caps, hours = require "bascule.caps", require "bascule.hours"

return {
  locations = { "recipeHourlyCap000001" },
  memory = { hour = { kind = "counter", per = "location", window = "hour", zone = "Asia/Manila" } },
  outbound = function(message, context)
    local most = math.tointeger(tonumber(context.settings.rule_hourly_most)) or 100
    if not caps.take(context, "hour", most) then
      local _, ends = hours.window(context.now, "hour", "Asia/Manila")
      return context.defer { until_ = ends, reason = ("%d texts within the hour"):format(most) }
    end
    return message
  end,
  tests = {
    ["lets the 101st wait"] = function(t)
      t.equal(t.outbound({}, { memory = { hour = { count = 99 } } }).action, "send")
      t.equal(t.outbound({}, { memory = { hour = { count = 100 } } }).action, "defer")
    end,
  },
}
