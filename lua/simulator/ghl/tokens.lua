-- Authorization codes, access tokens and refresh tokens. A code and a refresh token count once.
local crypto = require "host.crypto"
local faults = require "simulator.faults"
local json = require "host.json"
local options = require "simulator.options"
local time = require "host.time"
local world = require "simulator.world"

local tokens = {}

local code_life_ms = 10 * 60 * 1000

-- token -> record; a record holds its grant
local codes, access_tokens, refresh_tokens = {}, {}, {}

---@class simulator.Grant
---@field kind "Company"|"Location"
---@field company string
---@field location? string
---@field scopes string separated by spaces
---@field user string
---@field bulk boolean of an installation by the agency

local function base64url(data)
  return (crypto.base64(data):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" }))
end

--- A token in the shape and about the length of GHL's: a JWT, whose signature is random here.
local function new_token(grant, use, expires_ms)
  local header = json.encode { alg = "RS256", typ = "JWT" }
  local claims = json.encode {
    authClass = grant.kind,
    authClassId = grant.location or grant.company,
    exp = expires_ms // 1000,
    jti = world.new_id(),
    oauthMeta = { client = options.client_id, scopes = grant.scopes },
    use = use,
  }
  local token = table.concat({ base64url(header), base64url(claims), crypto.token(256) }, ".")
  table.insert(world.ledger.tokens.issued, token)
  return token
end

---@param grant simulator.Grant
---@return string code
function tokens.new_code(grant)
  local code = crypto.token(20)
  codes[code] = { grant = grant, expires_ms = time.now_ms() + code_life_ms }
  return code
end

--- The grant of a code; nil where it was used, is over or never was.
---@param code string
---@return simulator.Grant?
function tokens.take_code(code)
  local record = codes[code]
  codes[code] = nil
  return record and record.expires_ms > time.now_ms() and record.grant or nil
end

---@param grant simulator.Grant
---@return {access: string, refresh: string, refresh_id: string, expires_in: integer}
function tokens.issue(grant)
  local expires_in = faults.value("ghl", "expires_in", options.expires_in)
  local now = time.now_ms()
  local expires_ms = now + expires_in * 1000
  local pair = {
    access = new_token(grant, "access", expires_ms),
    refresh = new_token(grant, "refresh", now + 365 * 86400 * 1000),
    refresh_id = world.new_id(),
    expires_in = expires_in,
  }
  access_tokens[pair.access] = { grant = grant, expires_ms = expires_ms }
  refresh_tokens[pair.refresh] = { grant = grant }
  return pair
end

--- The grant of a refresh token, which is used up by this. nil where it was used before, or never was.
---@param token string
---@return simulator.Grant?
function tokens.take_refresh(token)
  local record = refresh_tokens[token]
  refresh_tokens[token] = nil
  return record and record.grant or nil
end

--- The grant of a bearer token, or nil and why it is none.
---@param authorization string? the header
---@return simulator.Grant? grant, string? reason
function tokens.check(authorization)
  local token = authorization and authorization:match "^[Bb]earer%s+(%S+)$"
  local record = token and access_tokens[token]
  if not record then
    return nil, "Invalid token: access token is invalid"
  end
  if record.expires_ms <= time.now_ms() then
    return nil, "Invalid token: access token is expired"
  end
  return record.grant
end

local function revoke(records, location)
  for token, record in pairs(records) do
    if not location or record.grant.location == location then
      records[token] = nil
    end
  end
end

--- Ends tokens: all, or those of a location; access tokens only, or refresh tokens too.
---@param location string?
---@param access_only boolean?
function tokens.revoke(location, access_only)
  revoke(access_tokens, location)
  if not access_only then
    revoke(refresh_tokens, location)
  end
end

return tokens
