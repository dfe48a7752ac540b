-- What GHL says when it says no. Its error bodies have several shapes:
--   {"statusCode":400,"message":"text"}
--   {"statusCode":422,"message":["a","b"],"error":"Unprocessable Entity"}
--   {"error":"invalid_grant","error_description":"text"}
--   {"error":{"code":"...","message":"..."}}
--   no JSON at all
-- All of them become one: a text, a code and the trace id that GHL's support asks for.
local json = require "host.json"

local errors = {}

---@class bascule.GhlError
---@field status integer
---@field message string
---@field code? string
---@field trace_id? string

local longest_message <const> = 300

-- For people, by the OAuth error code (RFC 6749, 4.1.2.1 and 5.2).
local explanations <const> = {
  access_denied = "The person who was asked did not approve the installation.",
  invalid_client = "GHL does not know this client id and secret: check GHL_CLIENT_ID and GHL_CLIENT_SECRET.",
  invalid_grant = "The code or refresh token is used up, expired or revoked.",
  invalid_request = "GHL found the request malformed; the redirect URL may differ from the registered one.",
  invalid_scope = "A scope that was asked for is unknown or not enabled for the app: check GHL_SCOPES.",
  redirect_uri_mismatch = "The redirect URL is not one that is registered for the app.",
  server_error = "GHL failed inside; try again.",
  temporarily_unavailable = "GHL is overloaded or in maintenance; try again later.",
  unauthorized_client = "The app may not use this way of signing in.",
  unsupported_grant_type = "GHL does not take this kind of grant.",
}

-- GHL names few codes; its sentences are told apart by these words, in order.
local sentences <const> = {
  { "redirect", "redirect_uri_mismatch" },
  { "invalid grant", "invalid_grant" },
  { "invalid_grant", "invalid_grant" },
  { "refresh token", "invalid_grant" },
  { "authorization code", "invalid_grant" },
  { "invalid client", "invalid_client" },
  { "client credentials", "invalid_client" },
  { "client_secret", "invalid_client" },
  { "scope", "invalid_scope" },
}

local function joined(message)
  if type(message) == "table" then
    local parts = {}
    for _, part in ipairs(message) do
      parts[#parts + 1] = tostring(part)
    end
    return #parts > 0 and table.concat(parts, "; ") or nil
  end
  return type(message) == "string" and message ~= "" and message or nil
end

local function text(value)
  return type(value) == "string" and value or nil
end

-- Cut at a character, so that what is stored stays valid UTF-8.
local function shorten(message)
  if #message <= longest_message then
    return message
  end
  local cut = longest_message
  while cut > 0 and (message:byte(cut + 1) & 0xC0) == 0x80 do
    cut = cut - 1
  end
  return message:sub(1, cut)
end

---@param answer host.http.Answer
---@return bascule.GhlError
function errors.parse(answer)
  local body = json.decode(answer.body)
  if type(body) ~= "table" then
    body = {}
  end
  local inner = type(body.error) == "table" and body.error or {}
  local message = joined(body.message) or joined(inner.message) or text(body.error_description) or text(body.error)
  return {
    status = answer.status,
    message = shorten(message or ("HTTP status " .. answer.status)),
    code = text(inner.code) or text(body.error),
    trace_id = text(body.traceId),
  }
end

--- The OAuth code of an error, by its code or its words; nil where it is none of the table.
---@param failure bascule.GhlError
---@return string?
function errors.oauth_code(failure)
  if failure.code and explanations[failure.code] then
    return failure.code
  end
  if failure.status ~= 400 and failure.status ~= 401 and failure.status ~= 422 then
    return nil
  end
  local message = failure.message:lower()
  for _, pair in ipairs(sentences) do
    if message:find(pair[1], 1, true) then
      return pair[2]
    end
  end
end

--- What an OAuth code means, in words.
---@param code string?
---@return string?
function errors.explain(code)
  return code and explanations[code]
end

--- In the first seconds after GHL has handed a message over, it may not know yet that the message is the provider's. It
--- says so with 403, formerly with 401; nothing is wrong with the token then.
---@param failure bascule.GhlError
---@return boolean
function errors.is_early(failure)
  return (failure.status == 403 or failure.status == 401)
    and failure.message:lower():find("no conversation provider found", 1, true) ~= nil
end

return errors
