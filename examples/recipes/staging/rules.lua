-- A test location: texts go to its own phones only, with the number that was meant before them. The location's setting
-- rule_test_number names another phone.
local phone = require "bascule.phone"

local own <const> = { ["+639170000001"] = true, ["+639170000002"] = true }

return {
  locations = { "recipeStaging00000001" },
  outbound = function(message, context)
    local to = phone.e164(message.to, "PH")
    if not own[to] then
      message.to = context.settings.rule_test_number or "+639170000001"
      message.body = ("[to %s] %s"):format(to, message.body)
    end
    return message
  end,
  tests = {
    ["never reaches a customer"] = function(t)
      local message = t.outbound({ to = "0917 123 4567", body = "Hi" }).message
      t.equal(message.to, "+639170000001")
      t.equal(message.body, "[to +639171234567] Hi")
    end,
  },
}
