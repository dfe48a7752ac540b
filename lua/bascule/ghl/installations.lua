-- Installations as the store has them: what they are called, and why one cannot be used.
local failure = require "bascule.failure"
local store = require "host.store"

local installations = {}

--- The name of an installation in logs and in the process' cache: a location's id says it all.
---@param company string
---@param location string "" for the company's own
---@return string
function installations.key(company, location)
  return location ~= "" and "location:" .. location or "company:" .. company
end

---@param installation host.store.Installation
---@return string
function installations.name(installation)
  return installations.key(installation.company, installation.location)
end

--- By the location alone, or the company's own. Names of failures: NOT_CONNECTED, INVALID (no key opens it), BUSY.
---@param company? string
---@param location string
---@return host.store.Installation? installation, string? reason, string? name
function installations.read(company, location)
  local installation, why, name = store.installation_get(location == "" and company or nil, location)
  if installation then
    return installation
  elseif name == "NOT_FOUND" then
    return nil, "no installation of the app is known here", "NOT_CONNECTED"
  end
  return nil, failure.words(why, name), name == "UNSEALED" and "INVALID" or "BUSY"
end

--- As read(), and only where it is connected: else REMOVED or INVALID with the reason that is stored.
---@param company? string
---@param location string
---@return host.store.Installation? installation, string? reason, string? name
function installations.connected(company, location)
  local installation, reason, name = installations.read(company, location)
  if installation then
    return installations.check(installation)
  end
  return nil, reason, name
end

--- The installation where it is connected.
---@param installation host.store.Installation
---@return host.store.Installation? installation, string? reason, string? name
function installations.check(installation)
  if installation.status == "connected" then
    return installation
  end
  local reason = installation.reason or "no reason is known"
  return nil, reason, installation.status == "removed" and "REMOVED" or "INVALID"
end

return installations
