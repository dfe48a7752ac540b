-- {{contact.first_name|there}} in a text is filled in, with a default for contacts without one. A misspelt field is
-- refused, and the sender of the text sees why.
local template = require "bascule.template"

return {
  locations = { "recipeContactFields01" },
  needs = { "contact" },
  outbound = function(message, context)
    message.body = template.render(message.body, {
      contact = message.contact,
      shop = context.settings.rule_shop or "ACME",
    })
    return message
  end,
  tests = {
    ["fills in the name"] = function(t)
      local ana = { id = "c1", first_name = "Ana", tags = {}, dnd = false, custom = {} }
      local body = "Hi {{contact.first_name|there}}, {{shop}} here"
      t.equal(t.outbound({ body = body, contact = ana }).message.body, "Hi Ana, ACME here")
      t.equal(t.outbound({ body = body }).message.body, "Hi there, ACME here")
    end,
  },
}
