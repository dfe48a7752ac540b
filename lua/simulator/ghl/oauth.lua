-- The token endpoints: exchange, refresh, location tokens, installed locations, and the reconnect of a lost pair.
local api = require "simulator.ghl.api"
local json = require "host.json"
local options = require "simulator.options"
local respond = require "bascule.respond"
local time = require "host.time"
local tokens = require "simulator.ghl.tokens"
local world = require "simulator.world"

local oauth = {}

--- An error as OAuth words it (RFC 6749, 5.2), with GHL's fields beside it.
local function oauth_error(status, code, description)
  return status, { error = code, error_description = description, statusCode = status, message = description }
end

local function approved_locations()
  local list = json.array {}
  for _, location in ipairs(options.locations) do
    if world.installed[location] then
      list[#list + 1] = location
    end
  end
  return list
end

--- The answer that hands out a new pair of tokens.
local function token_body(grant)
  local pair = tokens.issue(grant)
  return {
    access_token = pair.access,
    token_type = "Bearer",
    expires_in = pair.expires_in,
    refresh_token = pair.refresh,
    refreshTokenId = pair.refresh_id,
    scope = grant.scopes,
    userType = grant.kind,
    companyId = grant.company,
    locationId = grant.location,
    userId = grant.user,
    isBulkInstallation = grant.bulk,
    approvedLocations = grant.kind == "Company" and approved_locations() or nil,
    traceId = world.new_id(),
  }
end

local function refuse_grant(description)
  world.count("tokens", "invalid_grants")
  return oauth_error(400, "invalid_grant", description)
end

local grants = {}

function grants.authorization_code(form)
  local grant = form.code and tokens.take_code(form.code)
  if not grant then
    return refuse_grant "This authorization code is invalid"
  end
  world.count("tokens", "exchanges")
  return 200, token_body(grant)
end

function grants.refresh_token(form)
  local grant = form.refresh_token and tokens.take_refresh(form.refresh_token)
  if not grant then
    return refuse_grant "This refresh token is invalid"
  end
  world.count("tokens", "refreshes")
  return 200, token_body(grant)
end

function grants.client_credentials()
  return oauth_error(400, "unsupported_grant_type", "client_credentials is not offered to marketplace apps")
end

local function exchange(call)
  local form = call.body
  if form.client_id ~= options.client_id or form.client_secret ~= options.client_secret then
    return oauth_error(401, "invalid_client", "Client id or client secret is wrong")
  end
  return grants[form.grant_type](form)
end

local function location_token(call)
  local body = call.body
  if body.companyId ~= call.grant.company then
    return api.error(403, "The token does not have access to this company.")
  end
  if not world.installed[body.locationId] then
    return api.error(400, "The app is not installed in this location.")
  end
  world.count("tokens", "location_tokens")
  local grant = { kind = "Location", company = call.grant.company, location = body.locationId,
    scopes = call.grant.scopes, user = call.grant.user, bulk = true }
  local answer = token_body(grant)
  answer.isBulkInstallation = nil
  answer.appId, answer.versionId = options.app_id, options.app_id
  return 200, answer
end

--- "true", "false" or absent, against a truth.
local function admits(wanted, truth)
  return wanted == nil or (wanted == "true") == truth
end

local function matching_locations(query)
  local found = {}
  for _, id in ipairs(options.locations) do
    local installed = world.installed[id]
    local named = not query.query or id:lower():find(query.query:lower(), 1, true)
    local asked = not query.locationId or query.locationId == id
    if named and asked and admits(query.isInstalled, installed ~= nil) then
      found[#found + 1] = {
        _id = id,
        name = "Location " .. id,
        address = "1 Bridge Street",
        isInstalled = installed ~= nil,
        versionId = options.app_id,
        installedAt = installed and time.iso(installed.at_ms) or nil,
      }
    end
  end
  return found
end

local function installed_locations(call)
  local query = call.query
  if query.companyId ~= call.grant.company or query.appId ~= options.app_id then
    return api.error(403, "The token does not have access to this company or app.")
  end
  local skip, limit = tonumber(query.skip or "0"), tonumber(query.limit or "20")
  if not skip or not limit then
    return api.error(400, "skip and limit must be numbers")
  end
  local found = matching_locations(query)
  local page = json.array(table.move(found, skip + 1, math.min(#found, skip + limit), 1, {}))
  return 200, { locations = page, count = #found, installToFutureLocations = false }
end

--- POST /oauth/reconnect, which GHL's files do not hold: a code for who lost the tokens of an installation.
---@param request host.Request
---@return bascule.Answer
function oauth.reconnect(request)
  local body = json.decode(request.body)
  if type(body) ~= "table" or body.clientKey ~= options.client_id or body.clientSecret ~= options.client_secret then
    return respond.json(oauth_error(401, "invalid_client", "Client key or client secret is wrong"))
  end
  local location = body.locationId
  local installed = world.installed[location or ""]
  if not installed or not (location or body.companyId == options.company) then
    return respond.json(api.error(400, "The app is not installed there."))
  end
  world.count("tokens", "reconnects")
  local grant = { kind = location and "Location" or "Company", company = options.company, location = location,
    scopes = installed.scopes, user = "SIMULATEDUSER0000001", bulk = not location }
  local expires = time.iso(time.now_ms() + 10 * 60 * 1000)
  return respond.json(200, {
    authorizationCode = tokens.new_code(grant), expiresAt = expires, traceId = world.new_id(),
  })
end

oauth.routes = {
  api.route("POST /oauth/token", exchange),
  api.route("POST /oauth/locationToken", location_token),
  api.route("GET /oauth/installedLocations", installed_locations),
  { "POST", "/oauth/reconnect", oauth.reconnect },
}

return oauth
