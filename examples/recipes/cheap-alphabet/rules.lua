-- Accents and emoji make a text cost more than twice; they go where that saves a part, and stay where it does not.
local text = require "bascule.text"

return {
  locations = { "recipeCheapAlphabet01" },
  outbound = function(message)
    local cheap = text.transliterate(message.body, { replacement = "" })
    if text.segments(cheap).parts < text.segments(message.body).parts then
      message.body = cheap
    end
    return message
  end,
  tests = {
    ["takes accents away where that saves a part"] = function(t)
      local body = "Dvořák " .. ("a"):rep(100)
      t.equal(t.outbound({ body = body }).message.body, "Dvorak " .. ("a"):rep(100))
    end,
    ["leaves a short text alone"] = function(t)
      t.equal(t.outbound({ body = "Dvořák 😀" }).message.body, "Dvořák 😀")
    end,
  },
}
