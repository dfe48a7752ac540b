-- TCPA: no texts before 08:00 and after 21:00 where the recipient lives. The zone is the contact's in GHL; where it has
-- none, one of the number's country, for the United States the hours that are by day on both coasts.
local hours, phone = require "bascule.hours", require "bascule.phone"

local by_country <const> = { PH = "Asia/Manila", SG = "Asia/Singapore", GB = "Europe/London" }

local function windows_of(message)
  local zone = message.contact and message.contact.timezone or by_country[phone.region(message.to, "US")]
  if zone then
    return "08:00-21:00", zone
  end
  return "11:00-21:00", "America/New_York"
end

return {
  locations = { "recipeRecipientZone01" },
  needs = { "contact" },
  outbound = function(message, context)
    local window, zone = windows_of(message)
    local opens = hours.opens(context.now, window, zone)
    if opens > context.now then
      return context.defer { until_ = opens, reason = "quiet hours in " .. zone }
    end
    return message
  end,
  tests = {
    ["asks the contact's clock"] = function(t)
      local hawaii = { id = "c1", tags = {}, dnd = false, custom = {}, timezone = "Pacific/Honolulu" }
      local decision = t.outbound({ to = "+12125550123", contact = hawaii }, { now = "2026-01-02T12:00:00Z" })
      t.equal(decision.reason, "quiet hours in Pacific/Honolulu")
    end,
    ["sends by day on both coasts"] = function(t)
      t.equal(t.outbound({ to = "+12125550123" }, { now = "2026-01-02T17:00:00Z" }).action, "send")
    end,
  },
}
