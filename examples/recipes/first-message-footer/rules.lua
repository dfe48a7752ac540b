-- The first text to a contact, and one every half year, says how to opt out.
local text = require "bascule.text"

local footer <const> = "\nReply STOP to opt out"

return {
  locations = { "recipeFirstFooter0001" },
  memory = { told = { kind = "value", per = "number", ttl = "180d" } },
  outbound = function(message, context)
    if not context.memory.told.value and not message.body:find("STOP", 1, true) then
      message.body = text.fit(message.body, { segments = 3 }) .. footer
      context.remember("told", true)
    end
    return message
  end,
  tests = {
    ["tells it the first time"] = function(t)
      local decision = t.outbound { body = "Hi" }
      t.equal(decision.message.body, "Hi\nReply STOP to opt out")
      t.equal(decision.memory, { { name = "told", op = "set", value = true } })
    end,
    ["and not again"] = function(t)
      t.equal(t.outbound({ body = "Hi" }, { memory = { told = { value = true } } }).message.body, "Hi")
    end,
  },
}
