-- Nine of ten messages begin with cast and one with twilio; each falls back to the other. A message's retries ask for
-- the same order, for the seed is the message's.
local routing = require "bascule.routing"

return {
  locations = { "recipeWeightedRoute01" },
  outbound = function(_, context)
    return context.route(routing.order(context, { cast = 9, twilio = 1 }))
  end,
  tests = {
    ["names both"] = function(t)
      t.equal(#t.outbound({}, { seed = 1 }).providers, 2)
    end,
    ["is the same for the same message"] = function(t)
      t.equal(t.outbound({}, { seed = 7 }).providers, t.outbound({}, { seed = 7, attempt = 2 }).providers)
    end,
  },
}
