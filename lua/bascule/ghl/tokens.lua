-- The keeper of GHL's tokens: which token belongs to a call. bascule.ghl.refresh renews them.
--
-- A location whose company is connected needs no refresh token of its own: its token is minted from the company's.
--
-- A call that fails returns nil, a reason in words, and one of
--   NOT_CONNECTED, REMOVED, INVALID   somebody must connect (again)
--   BUSY                              not now: the store, GHL, or another flight
--   REFUSED                           GHL refuses without saying that the connection is dead
local cache = require "host.cache"
local store = require "host.store"
local time = require "host.time"

local failure = require "bascule.failure"
local installations = require "bascule.ghl.installations"
local oauth = require "bascule.ghl.oauth"
local refresh = require "bascule.ghl.refresh"

local tokens = {}

local early_ms <const> = 5 * 60 * 1000 -- a token that ends within this time is refreshed before it is used
local cached_ms <const> = 30 * 1000
local marked_ms <const> = 60 * 1000 -- how long "unknown here" and "renewed for a 401" are remembered
local connect_most_ms <const> = 20 * 1000 -- how long a first pair is offered to a store that does not take it
local store_step_ms <const> = 100
local companies_asked <const> = 10

---@class bascule.Token
---@field access_token string
---@field company string
---@field location string
---@field version integer

--- What the process remembers of this installation's token is forgotten.
---@param company string
---@param location string
function tokens.forget(company, location)
  cache.put("token:" .. installations.key(company, location), nil, 0)
end

local function remember(installation)
  local left = installation.expires_ms - time.now_ms() - early_ms
  if left > 0 then
    local value = ("%d\n%s\n%s"):format(installation.version, installation.company, installation.access_token)
    cache.put("token:" .. installations.name(installation), value, math.min(left, cached_ms))
  end
end

local function recall(company, location)
  local value = cache.get("token:" .. installations.key(company, location))
  local version, owner, access_token = tostring(value or ""):match "^(%d+)\n(.-)\n(.+)$"
  return access_token
    and { access_token = access_token, company = owner, location = location, version = math.tointeger(version) }
end

local function token_of(installation)
  return {
    access_token = installation.access_token,
    company = installation.company,
    location = installation.location,
    version = installation.version,
  }
end

-- The company's token, then the location's from it.
local function mint(company, location)
  local token, reason, name = tokens.company(company)
  if not token then
    return nil, { kind = "retryable", reason = reason, code = name }
  end
  local pair, fault = oauth.location_token(token.access_token, company, location)
  if fault and fault.status == 401 then
    token = tokens.renew(token)
    if token then
      pair, fault = oauth.location_token(token.access_token, company, location)
    end
  end
  return pair, fault
end

local function connected_company(company)
  return company ~= "" and installations.connected(company, "") ~= nil
end

local function refreshed(installation)
  tokens.forget(installation.company, installation.location)
  local current, reason, name = refresh.run(installation, mint)
  if current then
    current, reason, name = installations.check(current)
  end
  if not current then
    return nil, reason, name
  end
  remember(current)
  return token_of(current)
end

-- A token that is about to end still serves where the refresh cannot be made just now.
local function usable(installation)
  local left = installation.access_token and installation.expires_ms - time.now_ms() or 0
  if left > early_ms then
    remember(installation)
    return token_of(installation)
  end
  local token, reason, name = refreshed(installation)
  if not token and name == "BUSY" and left > 0 then
    return token_of(installation)
  end
  return token, reason, name
end

-- Only where the location has the app does GHL mint a token for it.
local function adopt_from(company, location)
  local pair = connected_company(company) and mint(company, location)
  if not pair then
    return nil
  end
  pair.company, pair.location, pair.user_type = company, location, "Location"
  pair.details.minted = true
  return tokens.connect(pair)
end

-- A location nobody has told of: one of the connected companies may have it.
local function adopt(location, company)
  local candidates = { company and { company = company, location = "", status = "connected" } or nil }
  local others = store.installation_list() or {}
  table.move(others, 1, #others, #candidates + 1, candidates)
  local asked = 0
  for _, candidate in ipairs(candidates) do
    if candidate.location == "" and candidate.status == "connected" and asked < companies_asked then
      asked = asked + 1
      if adopt_from(candidate.company, location) then
        return installations.read(nil, location)
      end
    end
  end
  cache.put("unknown:" .. location, true, marked_ms)
  return nil, "the location is not connected: install the app there", "NOT_CONNECTED"
end

--- The token of calls for a location.
---@param location string
---@param company? string where it is known
---@return bascule.Token? token, string? reason, string? name
function tokens.location(location, company)
  local token = recall("", location)
  if token then
    return token
  end
  local installation, reason, name = installations.read(nil, location)
  if not installation and name == "NOT_CONNECTED" and not cache.get("unknown:" .. location) then
    installation, reason, name = adopt(location, company)
  end
  if installation then
    installation, reason, name = installations.check(installation)
  end
  if not installation then
    return nil, reason, name
  end
  return usable(installation)
end

--- The token of a company's own calls.
---@param company string
---@return bascule.Token? token, string? reason, string? name
function tokens.company(company)
  local token = recall(company, "")
  if token then
    return token
  end
  local installation, reason, name = installations.connected(company, "")
  if not installation then
    return nil, reason, name
  end
  return usable(installation)
end

--- After GHL refused a token (401): another one. A token that was renewed for this reason a moment ago is not renewed
--- again: then it is not the token that GHL minds.
---@param token bascule.Token
---@return bascule.Token? token, string? reason, string? name
function tokens.renew(token)
  tokens.forget(token.company, token.location)
  local installation, reason, name = installations.connected(token.company, token.location)
  if not installation then
    return nil, reason, name
  elseif installation.version ~= token.version then
    return usable(installation)
  end
  local mark = "renewed:" .. installations.name(installation)
  if cache.get(mark) then
    return nil, "GHL refuses a token that was just renewed", "REFUSED"
  end
  local renewed
  renewed, reason, name = refreshed(installation)
  if renewed then
    cache.put(mark, true, marked_ms)
  end
  return renewed, reason, name
end

--- A refresh now, wanted by the operator or by the schedule.
---@param company? string
---@param location string
---@param before_ms? integer only where the token ends before: another process may have been faster
---@return bascule.Token? token, string? reason, string? name
function tokens.refresh(company, location, before_ms)
  local installation, reason, name = installations.connected(company, location)
  if not installation then
    return nil, reason, name
  elseif before_ms and installation.expires_ms >= before_ms then
    return token_of(installation)
  end
  return refreshed(installation)
end

local function put(installation, patience_ms)
  local deadline = time.monotonic_ms() + patience_ms
  while true do
    local ok, why, name = store.installation_put(installation)
    if ok then
      tokens.forget(installation.company, installation.location)
      cache.put("unknown:" .. installation.location, nil, 0)
      refresh.forget_failure(installation)
      cache.put("renewed:" .. installations.name(installation), nil, 0)
      return installation
    elseif time.monotonic_ms() >= deadline then
      return nil, failure.words(why, name), "BUSY"
    end
    time.sleep(store_step_ms)
  end
end

--- Stores the pair of an installation that was just approved. A code is good once, and so is the pair that came for it:
--- a store that is busy is offered it for a while.
---@param pair bascule.TokenPair
---@return host.store.Installation? installation, string? reason, string? name
function tokens.connect(pair)
  local location = pair.user_type ~= "Company" and pair.location or ""
  local company = pair.company or ""
  if location == "" and company == "" then
    return nil, "GHL's answer names neither a company nor a location", "REFUSED"
  end
  pair.details.connected_ms = time.now_ms()
  return put({
    company = company,
    location = location,
    status = "connected",
    access_token = pair.access_token,
    refresh_token = pair.refresh_token,
    expires_ms = pair.expires_ms,
    scopes = pair.scopes,
    user_id = pair.user_id,
    user_type = location == "" and "Company" or "Location",
    details = pair.details,
  }, connect_most_ms)
end

--- Records that a location belongs to a connected company, without a token yet: that is minted when it is needed. What
--- is connected stays as it is.
---@param company? string nil: as known
---@param location string
---@param title? string the location's name in GHL
---@return boolean? ok, string? reason, string? name
function tokens.enroll(company, location, title)
  local known, reason, name = installations.read(nil, location)
  if known and known.status == "connected" then
    return true
  elseif name == "BUSY" then
    return nil, reason, name
  end
  company = company or (known and known.company) or ""
  if not connected_company(company) then
    return nil, "waits for the OAuth callback", "NOT_CONNECTED"
  end
  local installation
  installation, reason, name = put({
    company = company,
    location = location,
    status = "connected",
    expires_ms = 0,
    user_type = "Location",
    details = { minted = true, connected_ms = time.now_ms(), name = title },
  }, 0)
  return installation ~= nil, reason, name
end

return tokens
