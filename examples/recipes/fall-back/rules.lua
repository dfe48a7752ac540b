-- Codes go by the sure provider first, everything else by the cheap one; each falls back to the other.
local function has_code(body)
  return body:find "%f[%d]%d%d%d%d%d?%d?%f[%D]" ~= nil
end

return {
  locations = { "recipeFallBack0000001" },
  outbound = function(message, context)
    if has_code(message.body) then
      return context.route { "twilio", "cast" }
    end
    return context.route { "cast", "twilio" }
  end,
  tests = {
    ["sends codes the sure way"] = function(t)
      t.equal(t.outbound({ body = "Your code: 123456." }).providers, { "twilio", "cast" })
    end,
    ["sends the rest the cheap way"] = function(t)
      t.equal(t.outbound({ body = "See you at 10" }).providers, { "cast", "twilio" })
    end,
  },
}
