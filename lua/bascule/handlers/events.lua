-- Platform events of the app. INSTALL and UNINSTALL change installations, durably, before they are acknowledged; the
-- others are acknowledged and not kept.
local log = require "host.log"
local store = require "host.store"
local time = require "host.time"

local failure = require "bascule.failure"
local oauth = require "bascule.ghl.oauth"
local tokens = require "bascule.ghl.tokens"

local events = {}

local function text(payload, name)
  local value = payload[name]
  return type(value) == "string" and value ~= "" and value or nil
end

local function of_another_app(payload)
  local ours, theirs = oauth.app_id(), text(payload, "appId")
  return ours and theirs and ours ~= theirs
end

-- A retried event may come hours late: what was connected after it was written is not undone by it.
local function older_than(payload, installation)
  local written = text(payload, "timestamp") and time.parse_iso(payload.timestamp)
  local connected = installation.details and installation.details.connected_ms
  return written and connected and written < connected
end

local function removed(installation)
  local ok, why, name = store.installation_set_status {
    company = installation.company,
    location = installation.location,
    status = "removed",
    reason = "the app was uninstalled in GHL",
  }
  if not ok and name ~= "NOT_FOUND" then
    return nil, failure.words(why, name)
  end
  tokens.forget(installation.company, installation.location)
  log.info("installation removed", { company = installation.company, location = installation.location })
  return true
end

local function uninstall_location(payload, location)
  local installation, why, name = store.installation_get(nil, location)
  if not installation then
    if name == "NOT_FOUND" then
      return "ignored", "This location was not connected."
    elseif name ~= "UNSEALED" then
      return "busy", failure.words(why, name)
    end
    installation = { company = text(payload, "companyId") or "", location = location }
  end
  if older_than(payload, installation) then
    return "ignored", "The location was connected again after this event."
  end
  local ok, reason = removed(installation)
  return ok and "removed" or "busy", reason
end

-- The company's own record, and the locations whose tokens were minted from it. A location that connected by itself
-- has an event of its own.
local function uninstall_company(payload, company)
  local list, why, name = store.installation_list(company)
  if not list then
    return "busy", failure.words(why, name)
  end
  local outcome = "ignored"
  for _, installation in ipairs(list) do
    local minted = installation.details and installation.details.minted
    if (installation.location == "" or minted) and not older_than(payload, installation) then
      local ok, reason = removed(installation)
      if not ok then
        return "busy", reason
      end
      outcome = "removed"
    end
  end
  return outcome, outcome == "ignored" and "This company was not connected." or nil
end

local function uninstall(payload)
  local location, company = text(payload, "locationId"), text(payload, "companyId")
  if location then
    return uninstall_location(payload, location)
  elseif company then
    return uninstall_company(payload, company)
  end
  return "ignored", "The event names neither a location nor a company."
end

-- INSTALL may come before the OAuth callback: then there is no company's token yet, and the callback does the rest. The
-- location is enrolled before its token is minted: should that fail now, it is minted when it is needed.
local function install(payload)
  local location, company = text(payload, "locationId"), text(payload, "companyId")
  if not location then
    return "noted", "The installation is connected by its OAuth callback."
  end
  local ok, reason, name = tokens.enroll(company, location)
  if not ok then
    return name == "BUSY" and "busy" or "noted", reason
  end
  ok, reason = tokens.location(location, company)
  return ok and "connected" or "noted", reason
end

--- What becomes of an event: "connected", "removed", "noted", "ignored" with a reason, or "busy": not kept, send again.
---@param kind string the payload's type
---@param payload table
---@return string outcome, string? reason
function events.handle(kind, payload)
  if of_another_app(payload) then
    return "ignored", "The event is of another app."
  elseif kind == "UNINSTALL" then
    return uninstall(payload)
  elseif kind == "INSTALL" then
    return install(payload)
  end
  return "ignored", "Bascule has no use for events of this type."
end

return events
