-- At most three parts: folded into the cheap alphabet first, then cut.
local text = require "bascule.text"

return {
  locations = { "recipeFit000000000001" },
  outbound = function(message, context)
    local before = text.segments(message.body).parts
    message.body = text.fit(message.body, { segments = 3, fold = true })
    local after = text.segments(message.body).parts
    if after < before then
      context.log(("%d parts instead of %d"):format(after, before))
    end
    return message
  end,
  tests = {
    ["cuts to three parts"] = function(t)
      local decision = t.outbound { body = ("a"):rep(1000) }
      t.equal(#decision.message.body, 459)
      t.equal(decision.log, { "3 parts instead of 7" })
    end,
  },
}
