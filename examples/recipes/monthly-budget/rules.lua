-- 5,000 parts a month for a location: a text of three parts counts three.
local caps, text = require "bascule.caps", require "bascule.text"

local most <const> = 5000

return {
  locations = { "recipeMonthlyBudget01" },
  memory = { parts = { kind = "counter", per = "location", window = "month", zone = "Asia/Manila" } },
  outbound = function(message, context)
    local parts = math.max(1, text.segments(message.body).parts)
    local taken, used = caps.take(context, "parts", most, { by = parts })
    if not taken then
      return context.reject(("the month's %d parts are used up (%d, and this text takes %d)"):format(most, used, parts))
    end
    context.log(("%d of %d parts this month"):format(used, most))
    return message
  end,
  tests = {
    ["counts the parts"] = function(t)
      local decision = t.outbound({ body = ("a"):rep(400) })
      t.equal(decision.memory, { { name = "parts", op = "add", by = 3, most = 5000 } })
      t.equal(decision.log, { "3 of 5000 parts this month" })
    end,
  },
}
