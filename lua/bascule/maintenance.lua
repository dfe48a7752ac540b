-- What has to be done now and then: tokens are refreshed before they are needed, and companies whose locations could
-- not be listed at their installation are asked again. The program calls run() about once a minute, on one worker;
-- several processes may do so at once, for each refresh is made by one of them only.
local cache = require "host.cache"
local log = require "host.log"
local store = require "host.store"
local time = require "host.time"

local companies = require "bascule.ghl.companies"
local failure = require "bascule.failure"
local tokens = require "bascule.ghl.tokens"

local maintenance = {}

local minute_ms <const> = 60 * 1000
local hour_ms <const> = 60 * minute_ms

-- The schedule of each installation: its last ten minutes. The sweep, at start and every twelve hours: whatever ends
-- within six, so that an outage of GHL at the wrong minute finds few that are due.
local soon_ms <const> = 10 * minute_ms
local sweep_ms <const> = 6 * hour_ms
local sweep_every_ms <const> = 12 * hour_ms
local at_once <const> = 200

local function refresh_expiring(within_ms)
  local before_ms = time.now_ms() + within_ms
  local list, why, name = store.installation_expiring(before_ms, at_once)
  if not list then
    log.warn("[REFRESH-FAIL] the store could not be read", { reason = failure.words(why, name) })
    return false
  end
  for _, installation in ipairs(list) do
    tokens.refresh(installation.company, installation.location, before_ms)
  end
  return #list < at_once
end

local function enroll_again()
  for _, installation in ipairs(store.installation_list() or {}) do
    local connected = installation.location == "" and installation.status == "connected"
    if connected and not companies.listed(installation.company) then
      companies.enroll_locations(installation.company)
    end
  end
end

function maintenance.run()
  if cache.get "maintenance:swept" then
    refresh_expiring(soon_ms)
    return
  end
  if refresh_expiring(sweep_ms) then
    cache.put("maintenance:swept", true, sweep_every_ms)
  end
  enroll_again()
end

return maintenance
