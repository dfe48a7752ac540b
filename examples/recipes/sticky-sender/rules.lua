-- A pool of numbers: each contact keeps the one of its first text, for 30 days after the last.
local routing = require "bascule.routing"

local pool <const> = { ["+639170000001"] = 1, ["+639170000002"] = 1, ["+639170000003"] = 1 }

return {
  locations = { "recipeStickySender001" },
  memory = { sender = { kind = "value", per = "contact", ttl = "30d" } },
  outbound = function(message, context)
    message.sender = routing.sticky(context, "sender", pool, { renew = true })
    return message
  end,
  tests = {
    ["keeps the first sender"] = function(t)
      local first = t.outbound({}, { seed = 1 })
      t.equal(first.memory, { { name = "sender", op = "set", value = first.message.sender } })
      local memory = { sender = { value = "+639170000002" } }
      t.equal(t.outbound({}, { seed = 2, memory = memory }).message.sender, "+639170000002")
    end,
  },
}
