-- The refresh of an installation's tokens: one flight at a time over all threads and processes.
--
-- A refresh token is good for one use, and its successor comes in an answer that may be lost. Hence: the flight is
-- under a lease of the store; the new pair is stored durably before anybody uses it; what fails never deletes a pair.
-- Whoever comes while a flight is under way waits for it, and has its tokens or its failure.
local cache = require "host.cache"
local config = require "host.config"
local crypto = require "host.crypto"
local log = require "host.log"
local metrics = require "host.metrics"
local store = require "host.store"
local time = require "host.time"

local failure = require "bascule.failure"
local installations = require "bascule.ghl.installations"
local oauth = require "bascule.ghl.oauth"

local refresh = {}

local lease_ms <const> = 60 * 1000 -- longer than a token call may take
local wait_most_ms <const> = 20 * 1000 -- for another's flight
local wait_step_ms <const> = 100
local save_most_ms <const> = 20 * 1000 -- how long a new pair is offered to a store that does not take it
local calm_ms <const> = 5 * 1000 -- after a failed flight

-- A company's token cannot be had, and waiting does not help.
local company_gone <const> = { NOT_CONNECTED = true, REMOVED = true, INVALID = true }

-- After invalid_grant: a new pair by another way, or nil and the fault.
local function recover(installation, fault, mint)
  if installation.location ~= "" then
    local pair, mint_fault = mint(installation.company, installation.location)
    if pair or not company_gone[mint_fault.code] then
      return pair, mint_fault
    end
  end
  if config.get "GHL_RECONNECT" then
    log.warn("[REFRESH] the refresh token is dead; reconnecting", { installation = installations.name(installation) })
    local pair, reconnect_fault = oauth.reconnect(installation.company, installation.location)
    if pair or reconnect_fault.kind ~= "refused" then
      return pair, reconnect_fault
    end
  end
  return nil, fault
end

local function next_pair(installation, mint)
  if not installation.refresh_token then
    return mint(installation.company, installation.location)
  end
  local user_type = installation.location == "" and "Company" or "Location"
  return oauth.refresh(installation.refresh_token, user_type)
end

local function done(installation, pair)
  log.info("[REFRESH] tokens renewed", {
    installation = installations.name(installation),
    expires_at = time.iso(pair.expires_ms),
  })
  metrics.add("bascule_token_refresh_total", "result=renewed")
end

-- The lease went to another while GHL answered. What that one stored is newer; where it stored nothing yet, this pair
-- is the only living one, and the other flight will find it.
local function save_without_lease(installation, pair)
  local current, reason, name = installations.read(installation.company, installation.location)
  if not current or current.version ~= installation.version then
    return current, reason, name
  end
  current.access_token, current.expires_ms = pair.access_token, pair.expires_ms
  current.refresh_token = pair.refresh_token or current.refresh_token
  local ok, why, put_name = store.installation_put(current)
  if not ok then
    return nil, failure.words(why, put_name), "BUSY"
  end
  return installations.read(installation.company, installation.location)
end

-- Nobody uses the pair before it is durable, and nothing else knows it: a store that is busy is asked again.
local function save(installation, owner, pair)
  local deadline = time.monotonic_ms() + save_most_ms
  while true do
    local ok, why, name = store.refresh_done {
      company = installation.company,
      location = installation.location,
      owner = owner,
      access_token = pair.access_token,
      refresh_token = pair.refresh_token,
      expires_ms = pair.expires_ms,
      scopes = pair.scopes,
    }
    if ok then
      done(installation, pair)
      return installations.read(installation.company, installation.location)
    elseif name == "CONFLICT" then
      return save_without_lease(installation, pair)
    elseif time.monotonic_ms() > deadline then
      local reason = "the new tokens could not be stored: " .. failure.words(why, name)
      log.error("[REFRESH-FAIL] " .. reason, { installation = installations.name(installation) })
      return nil, reason, "BUSY"
    end
    time.sleep(wait_step_ms)
  end
end

local reason_prefixes <const> = { invalid_grant = "reconnect: ", unknown = "outcome unknown: " }

local function failed(installation, owner, fault)
  local invalid = fault.kind == "invalid_grant"
  local reason = (reason_prefixes[fault.kind] or "") .. fault.reason
  log.error("[REFRESH-FAIL] " .. reason, {
    installation = installations.name(installation),
    kind = fault.kind,
    trace_id = fault.trace_id,
    reconnect_needed = invalid,
  })
  metrics.add("bascule_token_refresh_total", "result=" .. fault.kind)
  local ok, why, name = store.refresh_failed {
    company = installation.company,
    location = installation.location,
    owner = owner,
    reason = reason,
    invalid = invalid,
  }
  if not ok and name ~= "CONFLICT" then
    log.warn("a failed refresh could not be recorded", { reason = failure.words(why, name) })
  end
  if invalid then
    return nil, reason, "INVALID"
  end
  cache.put("calm:" .. installations.name(installation), reason, calm_ms)
  return nil, reason, fault.kind == "refused" and "REFUSED" or "BUSY"
end

-- Under the lease. What is stored may have moved between the caller's reading and the lease only by its version, which
-- the lease has checked.
local function fly(installation, owner, mint)
  local pair, fault = next_pair(installation, mint)
  if fault and fault.kind == "invalid_grant" then
    local current = installations.read(installation.company, installation.location)
    if current and current.version ~= installation.version then
      return current
    end
    pair, fault = recover(installation, fault, mint)
  end
  if not pair then
    return failed(installation, owner, fault)
  end
  return save(installation, owner, pair)
end

local flights = {} -- name -> when to take it for dead, of the coroutines of this Lua state

-- One try to be the one who refreshes: true and the flight's results, or false and why not.
local function take_off(installation, mint)
  local name, now = installations.name(installation), time.monotonic_ms()
  if flights[name] and flights[name] > now then
    return false, nil, "CONFLICT"
  end
  flights[name] = now + 2 * lease_ms
  local owner = crypto.token(12)
  local ok, why, code = store.refresh_begin {
    company = installation.company,
    location = installation.location,
    version = installation.version,
    owner = owner,
    lease_ms = lease_ms,
  }
  if not ok then
    flights[name] = nil
    return false, failure.words(why, code), code
  end
  local flown = table.pack(pcall(fly, installation, owner, mint))
  flights[name] = nil
  if not flown[1] then
    error(flown[2], 0)
  end
  return true, table.unpack(flown, 2, flown.n)
end

--- The installation after a refresh, whoever made it.
---@param installation host.store.Installation as it was read
---@param mint fun(company: string, location: string): bascule.TokenPair?, bascule.OauthFailure?
---@return host.store.Installation? installation, string? reason, string? name BUSY, INVALID, REFUSED, NOT_CONNECTED
function refresh.run(installation, mint)
  local deadline = time.monotonic_ms() + wait_most_ms
  repeat
    local calm = cache.get("calm:" .. installations.name(installation))
    if calm then
      return nil, tostring(calm), "BUSY"
    end
    local flown, result, reason, name = take_off(installation, mint)
    if flown then
      return result, reason, name
    elseif reason ~= "CONFLICT" then
      return nil, result, "BUSY"
    end
    time.sleep(wait_step_ms)
    local current
    current, reason, name = installations.read(installation.company, installation.location)
    if not current then
      return nil, reason, name
    elseif current.version ~= installation.version or current.status ~= "connected" then
      return current
    end
  until time.monotonic_ms() > deadline
  return nil, "another refresh of this installation is under way", "BUSY"
end

--- Forgets that a flight has just failed: there are new tokens.
---@param installation host.store.Installation
function refresh.forget_failure(installation)
  cache.put("calm:" .. installations.name(installation), nil, 0)
end

return refresh
