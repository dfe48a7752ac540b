-- The same text to the same contact within ten minutes goes once.
local dedupe = require "bascule.dedupe"

return {
  locations = { "recipeNoDuplicates001" },
  memory = { texts = { kind = "value", per = "contact", ttl = "1h" } },
  outbound = function(message, context)
    if dedupe.seen(message, context, "texts", { within = "10m" }) then
      return context.reject "the same text went to this contact within ten minutes"
    end
    return message
  end,
  tests = {
    ["keeps what it sends"] = function(t)
      local first = t.outbound { body = "Sale!", message_id = "m1" }
      t.equal(first.action, "send")
      local memory = { texts = { value = first.memory[1].value } }
      t.equal(t.outbound({ body = "Sale!", message_id = "m2" }, { memory = memory }).action, "reject")
      t.equal(t.outbound({ body = "Sale today!", message_id = "m3" }, { memory = memory }).action, "send")
    end,
  },
}
