-- GHL's OAuth endpoints: one function a request, nothing kept. What is kept, and when, is bascule.ghl.tokens' matter.
--
-- A failure is a table {kind, reason, code?, status?, trace_id?}. Kinds: "retryable" (nothing has happened), "unknown"
-- (GHL may have used up the refresh token), "invalid_grant" (the code or refresh token is dead), "refused" (for good).
local config = require "host.config"
local http = require "host.http"
local json = require "host.json"
local log = require "host.log"
local time = require "host.time"

local errors = require "bascule.ghl.errors"
local failure = require "bascule.failure"

local oauth = {}

local timeout_ms <const> = 30000
oauth.version = "2021-07-28" -- of every path under /oauth but /oauth/token, which takes none
oauth.callback_path = "/oauth-callback"

---@class bascule.TokenPair
---@field access_token string
---@field refresh_token? string
---@field expires_ms integer
---@field scopes? string
---@field company? string
---@field location? string
---@field user_id? string
---@field user_type? string
---@field details table what else the answer said that is no secret

---@class bascule.OauthFailure
---@field kind "retryable"|"unknown"|"invalid_grant"|"refused"
---@field reason string
---@field code? string
---@field status? integer GHL's, where it answered
---@field trace_id? string

--- The app's id: the part of the client id before its first "-", unless it is configured.
---@return string?
function oauth.app_id()
  local client = config.get "GHL_CLIENT_ID"
  return config.get "GHL_APP_ID" or client and client:match "^[^-]+"
end

--- Where a browser is sent to approve the installation.
---@param state string
---@param redirect_uri string
---@return string
function oauth.authorize_url(state, redirect_uri)
  local base = config.get "GHL_AUTHORIZE_URL"
  local query = http.form {
    response_type = "code",
    client_id = config.get "GHL_CLIENT_ID",
    redirect_uri = redirect_uri,
    scope = config.get "GHL_SCOPES" or "",
    state = state,
    loginWindowOpenMode = "self",
  }
  return base .. (base:find("?", 1, true) and "&" or "?") .. query
end

local details_kept <const> = {
  approveAllLocations = "boolean",
  installToFutureLocations = "boolean",
  isBulkInstallation = "boolean",
  planId = "string",
  refreshTokenId = "string",
}

local function string_field(body, name)
  return type(body[name]) == "string" and body[name] ~= "" and body[name] or nil
end

-- An answer without expires_in is taken for a day's token, as all of GHL's are.
local function read_pair(body)
  local access_token = string_field(body, "access_token")
  if not access_token then
    return nil
  end
  local details = {}
  for name, kind in pairs(details_kept) do
    if type(body[name]) == kind then
      details[name] = body[name]
    end
  end
  local seconds = type(body.expires_in) == "number" and body.expires_in or 86399
  return {
    access_token = access_token,
    refresh_token = string_field(body, "refresh_token"),
    expires_ms = time.now_ms() + math.floor(seconds * 1000),
    scopes = string_field(body, "scope"),
    company = string_field(body, "companyId"),
    location = string_field(body, "locationId"),
    user_id = string_field(body, "userId"),
    user_type = string_field(body, "userType"),
    details = details,
  }
end

local function not_answered(why, name, sent)
  local reason = "GHL could not be asked: " .. failure.words(why, name)
  return { kind = sent and "unknown" or "retryable", reason = reason, code = name }
end

-- A refusal by status: 429 and 503 come before GHL does anything; after other 5xx nobody knows what it did.
local function refused(answer)
  local told = errors.parse(answer)
  local code = errors.oauth_code(told)
  local explanation = errors.explain(code)
  local kind = "refused"
  if answer.status == 429 or answer.status == 503 then
    kind = "retryable"
  elseif answer.status >= 500 then
    kind = "unknown"
  elseif code == "invalid_grant" then
    kind = "invalid_grant"
  end
  local reason = ("GHL answered %d: %s"):format(answer.status, told.message)
  log.warn("GHL refused an OAuth call", { status = answer.status, code = code, trace_id = told.trace_id })
  return {
    kind = kind,
    code = code,
    status = answer.status,
    reason = explanation and explanation .. " (" .. reason .. ")" or reason,
    trace_id = told.trace_id,
  }
end

---@return table? body, bascule.OauthFailure? failure
local function post(path, headers, body)
  headers["accept"] = "application/json"
  local answer, why, name, sent = http.request {
    method = "POST",
    url = config.get "GHL_API_BASE" .. path,
    headers = headers,
    body = body,
    timeout_ms = timeout_ms,
  }
  if not answer then
    return nil, not_answered(why, name, sent)
  elseif answer.status < 200 or answer.status > 299 then
    return nil, refused(answer)
  end
  local decoded = json.decode(answer.body)
  if type(decoded) ~= "table" then
    return nil, { kind = "unknown", reason = "GHL's answer is no JSON object" }
  end
  return decoded
end

local function token_call(path, headers, body)
  local decoded, fault = post(path, headers, body)
  if not decoded then
    return nil, fault
  end
  local pair = read_pair(decoded)
  if not pair then
    return nil, { kind = "unknown", reason = "GHL's answer has no access token" }
  end
  return pair
end

-- Form-encoded: the one encoding that the specification and every sample agree on.
local function token(fields)
  fields.client_id = config.get "GHL_CLIENT_ID"
  fields.client_secret = config.get "GHL_CLIENT_SECRET"
  return token_call("/oauth/token", { ["content-type"] = "application/x-www-form-urlencoded" }, http.form(fields))
end

--- The first pair of an installation.
---@param code string single use
---@param redirect_uri? string the one that the code was sent to
---@return bascule.TokenPair? pair, bascule.OauthFailure? failure
function oauth.exchange(code, redirect_uri)
  return token { grant_type = "authorization_code", code = code, redirect_uri = redirect_uri }
end

--- The next pair. The refresh token is used up by this, also where the answer is lost.
---@param refresh_token string
---@param user_type "Company"|"Location"
---@return bascule.TokenPair? pair, bascule.OauthFailure? failure
function oauth.refresh(refresh_token, user_type)
  return token { grant_type = "refresh_token", refresh_token = refresh_token, user_type = user_type }
end

--- A location's token, made from its company's.
---@param company_token string
---@param company string
---@param location string
---@return bascule.TokenPair? pair, bascule.OauthFailure? failure
function oauth.location_token(company_token, company, location)
  return token_call("/oauth/locationToken", {
    ["authorization"] = "Bearer " .. company_token,
    ["content-type"] = "application/x-www-form-urlencoded",
    ["version"] = oauth.version,
  }, http.form { companyId = company, locationId = location })
end

--- A new pair without a refresh token, for a connection whose last answer was lost (GHL help article 155000003717). It
--- is in no specification, hence behind GHL_RECONNECT.
---@param company string
---@param location string "" for the company
---@return bascule.TokenPair? pair, bascule.OauthFailure? failure
function oauth.reconnect(company, location)
  local body, fault = post("/oauth/reconnect", { ["content-type"] = "application/json" }, assert(json.encode {
    clientKey = config.get "GHL_CLIENT_ID",
    clientSecret = config.get "GHL_CLIENT_SECRET",
    locationId = location ~= "" and location or nil,
    companyId = location == "" and company or nil,
  }))
  if not body then
    return nil, fault
  elseif not string_field(body, "authorizationCode") then
    return nil, { kind = "refused", reason = "GHL's answer to the reconnection has no authorization code" }
  end
  local base = config.get "BASCULE_BASE_URL" -- unknown where the port is picked at the start
  return oauth.exchange(body.authorizationCode, base and base .. oauth.callback_path)
end

return oauth
