-- Texts go to a few countries only: others are costly, and numbers there are how SMS pumping earns.
local phone = require "bascule.phone"

local countries <const> = { PH = true, SG = true, US = true, CA = true }

return {
  locations = { "recipeCountries000001" },
  outbound = function(message, context)
    local number, reason = phone.parse(message.to, "PH")
    if not number then
      return context.reject(("%s: %s"):format(message.to, reason))
    elseif not countries[number.region] then
      return context.reject(("no texts go to %s"):format(number.region ~= "" and number.region or message.to))
    end
    message.to = number.e164
    return message
  end,
  tests = {
    ["knows its countries"] = function(t)
      t.equal(t.outbound({ to = "0917 123 4567" }).message.to, "+639171234567")
      t.equal(t.outbound({ to = "+79161234567" }).reason, "no texts go to RU")
    end,
  },
}
