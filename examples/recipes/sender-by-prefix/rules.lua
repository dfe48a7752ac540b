-- The sender is registered by network and country: the longest prefix that the number has decides.
local phone, routing = require "bascule.phone", require "bascule.routing"

local ways <const> = {
  ["+63917"] = { sender = "ACMEGLOBE" },
  ["+63"] = { sender = "ACME" },
  ["+1"] = { sender = "+12125550100", provider = "twilio" },
}

return {
  locations = { "recipeSenderPrefix001" },
  outbound = function(message, context)
    message.to = phone.e164(message.to, "PH")
    local way = routing.prefix(message.to, ways)
    if not way then
      return context.reject("no sender is registered for " .. message.to)
    end
    message.sender, message.provider = way.sender, way.provider
    return message
  end,
  tests = {
    ["knows the network"] = function(t)
      t.equal(t.outbound({ to = "0917 123 4567" }).message.sender, "ACMEGLOBE")
      t.equal(t.outbound({ to = "0999 123 4567" }).message.sender, "ACME")
    end,
    ["refuses other countries"] = function(t)
      t.equal(t.outbound({ to = "+447400123456" }).action, "reject")
    end,
  },
}
