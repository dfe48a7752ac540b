-- A text may cost two pesos: prices by country, in the provider's currency, for each part.
local phone, text = require "bascule.phone", require "bascule.text"

local most <const> = 2.00
local prices <const> = { PH = 0.50, SG = 2.40, US = 0.45 }
local price_elsewhere <const> = 4.00

return {
  locations = { "recipeCostLimit000001" },
  outbound = function(message, context)
    local price = prices[phone.region(message.to, "PH")] or price_elsewhere
    local cost, parts = text.cost(message.body, { price = price })
    if cost > most then
      return context.reject(("this text takes %d parts and costs %.2f, more than %.2f"):format(parts, cost, most))
    end
    context.log(("costs %.2f"):format(cost))
    return message
  end,
  tests = {
    ["refuses what is too dear"] = function(t)
      t.equal(t.outbound({ body = ("a"):rep(700) }).reason, "this text takes 5 parts and costs 2.50, more than 2.00")
    end,
    ["tells what the others cost"] = function(t)
      t.equal(t.outbound({ body = ("a"):rep(600) }).log, { "costs 2.00" })
    end,
  },
}
