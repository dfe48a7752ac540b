-- What every GHL operation has in common: faults, tokens, rate limits, the Version header, and GHL's own files as judge
-- of the request and of the simulator's answer.
local faults = require "simulator.faults"
local log = require "host.log"
local openapi = require "simulator.openapi"
local rate = require "simulator.ghl.rate"
local respond = require "bascule.respond"
local tokens = require "simulator.ghl.tokens"
local world = require "simulator.world"

local api = {}

local reasons = {
  [400] = "Bad Request", [401] = "Unauthorized", [403] = "Forbidden", [404] = "Not Found",
  [422] = "Unprocessable Entity", [429] = "Too Many Requests", [500] = "Internal Server Error",
  [502] = "Bad Gateway", [503] = "Service Unavailable",
}

---@class simulator.Call
---@field query table<string,string>
---@field body table
---@field path table<string,string>
---@field grant simulator.Grant

--- An error in GHL's shape, as what a handler returns.
---@param status integer
---@param message string|string[]
---@return integer status, table body
function api.error(status, message)
  return status, { statusCode = status, message = message, error = reasons[status] or "Error" }
end

local function has_scopes(grant, wanted)
  local granted = " " .. grant.scopes .. " "
  for _, scope in ipairs(wanted) do
    if not granted:find(" " .. scope .. " ", 1, true) then
      return false
    end
  end
  return true
end

--- Whether a grant may use an operation: nothing, or the status and body that refuse it.
local function refusal(operation, grant)
  local agency_only = operation.security.kind:find("Agency", 1, true) ~= nil
  if agency_only and grant.kind ~= "Company" then
    return api.error(401, "This authClass type is not allowed to access this scope.")
  end
  if not agency_only and grant.kind ~= "Location" then
    return api.error(403, "The token does not have access to this location.")
  end
  if not has_scopes(grant, operation.security.scopes) then
    return api.error(401, "The token is not authorized for this scope.")
  end
end

--- Refuses what concerns another location than the token's.
---@param call simulator.Call
---@param location string?
---@return integer? status, table? body
function api.foreign(call, location)
  if location ~= call.grant.location then
    return api.error(403, "The token does not have access to this location.")
  end
end

local function count_refusal(status)
  local counter = ({ [401] = "unauthorized", [422] = "invalid", [429] = "rate_limited" })[status] or "failed"
  world.count("ghl", counter)
end

--- Runs the handler on a request that may be valid.
local function work(operation, handler, request, parameters, grant)
  local fault = openapi.version_fault(operation, request)
  if fault then
    return api.error(request:header "version" and 400 or 401, fault)
  end
  local call, wrong = openapi.check_request(operation, request, parameters)
  if not call then
    return api.error(422, wrong)
  end
  call.path, call.grant = parameters, grant
  return handler(call)
end

--- The simulator's own answers must be such as GHL's files allow.
local function checked(operation, status, body)
  local wrong = openapi.answer_faults(operation, status, body)
  if not wrong[1] then
    return status, body
  end
  local text = ("%s %s: %s"):format(operation.method, operation.path, table.concat(wrong, "; "))
  table.insert(world.ledger.own_faults, text)
  log.error("simulate.answer_invalid", { detail = text })
  return api.error(500, "the simulator's own answer is not valid: " .. text)
end

local function authorize(operation, request)
  if not operation.security then
    return nil
  end
  local grant, reason = tokens.check(request:header "authorization")
  if not grant then
    return nil, api.error(401, reason)
  end
  return grant, refusal(operation, grant)
end

--- The status and body of a request that no fault struck.
local function answer(operation, handler, request, parameters, over)
  local grant, status, body = authorize(operation, request)
  if not status and over then
    status, body = api.error(429, "Too Many Requests")
  elseif not status then
    status, body = work(operation, handler, request, parameters, grant)
  end
  return checked(operation, status, body)
end

local function serve(operation, handler, request, parameters)
  world.count("ghl", "requests")
  local grant = tokens.check(request:header "authorization")
  local resource = grant and (grant.location or grant.company) or request.path
  local strike = faults.strike("ghl", request.path, resource)
  local headers, over = rate.count(resource)
  local status, body
  if strike.status then
    status, body = api.error(strike.status, reasons[strike.status] or "Error")
    headers["retry-after"] = strike.retry_after_s and ("%d"):format(strike.retry_after_s)
  else
    status, body = answer(operation, handler, request, parameters or {}, over)
  end
  if status >= 400 then
    count_refusal(status)
  end
  return strike.drop and faults.dropped() or respond.json(status, body, headers)
end

--- A row for the router: the operation as GHL's files name it, answered by handler(call), which returns status, body.
---@param name string "PUT /conversations/messages/{messageId}/status"
---@param handler fun(call: simulator.Call): integer, table
---@return table row
function api.route(name, handler)
  local operation = openapi.operation(name)
  local path = operation.path:gsub("{([%w_]+)}", ":%1")
  return { operation.method, path, function(request, parameters)
    return serve(operation, handler, request, parameters)
  end }
end

return api
