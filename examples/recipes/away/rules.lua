-- Who writes outside office hours is told when somebody reads it, once a day.
local caps, hours = require "bascule.caps", require "bascule.hours"

local office <const>, zone <const> = "mon-sat 09:00-18:00", "Asia/Manila"
local days <const> = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday" }

return {
  locations = { "recipeAway00000000001" },
  memory = { answers = { kind = "counter", per = "number", window = "day", zone = zone } },
  inbound = function(message, context)
    local opens = hours.opens(context.now, office, zone)
    if opens > context.now and caps.take(context, "answers", 1) then
      local there = hours.at(opens, zone)
      context.reply(("Thank you. We read this on %s at %d:%02d."):format(days[there.weekday], there.hour, there.minute))
    end
    return message
  end,
  tests = {
    ["answers at night"] = function(t)
      local decision = t.inbound({}, { now = "2026-01-03T20:00:00+08:00" })
      t.equal(decision.reply, "Thank you. We read this on Monday at 9:00.")
      t.equal(decision.memory, { { name = "answers", op = "add", by = 1, most = 1 } })
    end,
    ["answers once"] = function(t)
      local context = { now = "2026-01-03T20:00:00+08:00", memory = { answers = { count = 1 } } }
      t.equal(t.inbound({}, context).reply, nil)
    end,
  },
}
