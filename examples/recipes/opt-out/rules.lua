-- STOP ends texts to a contact, START brings them back: in GHL by do-not-disturb, and here at once, for what GHL's
-- workflows have under way already.
local words = require "bascule.words"

local replies <const> = {
  stop = "You get no more texts from ACME. Reply START to get them again.",
  start = "You get texts from ACME again. Reply STOP to end them.",
}

return {
  locations = { "recipeOptOut000000001" },
  memory = { opted_out = { kind = "value", per = "number", ttl = "400d" } },
  inbound = function(message, context)
    words.handle(message, context, { replies = replies, remember = "opted_out", without = { "YES", "END" } })
    return message
  end,
  outbound = function(message, context)
    if context.memory.opted_out.value then
      return context.reject "the contact has opted out of texts"
    end
    return message
  end,
  tests = {
    ["STOP sets do-not-disturb"] = function(t)
      local decision = t.inbound { body = "Stop." }
      t.equal(decision.dnd, true)
      t.equal(decision.memory, { { name = "opted_out", op = "set", value = true } })
    end,
    ["sends nothing after it"] = function(t)
      t.equal(t.outbound({}, { memory = { opted_out = { value = true } } }).action, "reject")
      t.equal(t.outbound({}).action, "send")
    end,
  },
}
