-- HELP or INFO is answered with who sends and how to end it; the message still comes into the conversation.
local words = require "bascule.words"

local help <const> = "ACME texts: about 4 a month. Help: 02 8123 4567. Reply STOP to end them."

return {
  locations = { "recipeHelpWords000001" },
  inbound = function(message, context)
    words.handle(message, context, { replies = { help = help }, help = { "PAANO" } })
    return message
  end,
  tests = {
    ["answers HELP"] = function(t)
      t.equal(t.inbound({ body = "help" }).reply, help)
    end,
    ["answers nothing else"] = function(t)
      t.equal(t.inbound({ body = "help me move house" }).reply, nil)
    end,
  },
}
