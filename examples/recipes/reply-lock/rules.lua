-- For three days after a contact wrote, answers go by the same number and provider; without that, by the usual ones.
local routing = require "bascule.routing"

return {
  locations = { "recipeReplyLock000001" },
  memory = { way = { kind = "value", per = "number", ttl = "3d" } },
  inbound = function(message, context)
    routing.keep(message, context, "way")
    return message
  end,
  outbound = function(message, context)
    if not routing.follow(message, context, "way") then
      message.sender = "ACME"
    end
    return message
  end,
  tests = {
    ["remembers how the contact wrote"] = function(t)
      local decision = t.inbound { to = "+639170000002", provider = "twilio" }
      t.equal(decision.memory[1].value, { sender = "+639170000002", provider = "twilio" })
    end,
    ["answers the same way"] = function(t)
      local memory = { way = { value = { sender = "+639170000002", provider = "twilio" } } }
      local message = t.outbound({}, { memory = memory }).message
      t.equal(message.sender, "+639170000002")
      t.equal(message.provider, "twilio")
    end,
  },
}
