-- What the handlers of /admin/v1 share: who may, reading bodies, and answers to what the host refuses.
local config = require "host.config"
local crypto = require "host.crypto"
local json = require "host.json"
local time = require "host.time"

local failure = require "bascule.failure"
local respond = require "bascule.respond"

local operator = {}

local busy_seconds <const> = 5

--- A handler that only the bearer of BASCULE_ADMIN_TOKEN reaches.
function operator.guarded(handler)
  return function(request, parameters)
    local token = config.get "BASCULE_ADMIN_TOKEN"
    if not token then
      return respond.error(request, 403, "admin_closed", "The admin API is closed: BASCULE_ADMIN_TOKEN is not set.")
    end
    local given = (request:header "authorization" or ""):match "^[Bb]earer +(%S+)$"
    if not given or not crypto.equal(given, token) then
      return respond.error(request, 401, "unauthorized", "A valid bearer token is needed.", {
        ["www-authenticate"] = 'Bearer realm="bascule"',
      })
    end
    return handler(request, parameters)
  end
end

function operator.bad(request, message)
  return respond.error(request, 400, "invalid_request", message)
end

--- A store's refusal, by its name; `missing` says what is not found.
function operator.store_answer(request, why, name, missing)
  if name == "NOT_FOUND" then
    return respond.error(request, 404, "not_found", missing)
  elseif name == "BUSY" or name == "FULL" then
    return respond.later(request, "busy", failure.words(why, name), busy_seconds)
  end
  return respond.error(request, 500, "store_failed", failure.words(why, name))
end

--- A refusal of host.scripts.
function operator.refused(request, why, name)
  local status = name == "NOT_FOUND" and 404 or name == "REFUSED" and 422 or 500
  return respond.error(request, status, (name or "failed"):lower(), failure.words(why, name))
end

--- The body of a request: {} where there is none.
---@return table? body, string? fault
function operator.read_body(request)
  if request.body == "" then
    return {}
  end
  local body, why, name = json.decode(request.body)
  if name then
    return nil, failure.words(why, name)
  elseif type(body) ~= "table" or body[1] ~= nil then
    return nil, "the body must be a JSON object"
  end
  return body
end

function operator.iso(ms)
  return ms and ms > 0 and time.iso(ms) or nil
end

return operator
