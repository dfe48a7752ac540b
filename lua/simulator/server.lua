-- What `bascule simulate` serves: GHL and Cast.ph on loopback, on one port, and /simulate/* to steer them.
--
--   GHL    /oauth/chooselocation, /v2/oauth/chooselocation   authorize page (HTML); &approve=LOCATION|company
--          /oauth/token, /oauth/locationToken, /oauth/installedLocations, /oauth/reconnect
--          /conversations/..., /contacts/...                  the calls that Bascule makes
--   Cast   /api/v1/sms/send, /api/v1/sms/status/:id, /api/v1/account/balance, and the same under /api
--   steer  /simulate/state, send, faults, clear, target, uninstall, keys
--
-- Requests to GHL's operations, and the simulator's answers to them, are held against GHL's own OpenAPI files
-- (openapi.lua): a request that does not fit is answered 422 with what was wrong, an answer that does not fit is a
-- 500 and stands in the ledger as one of `own_faults`. README.md tells of the options (options.lua), the faults
-- (faults.lua) and the numbers that always fail (cast.lua).
--
-- One HTTP loop serves it, without a store: module tables are its memory (world.lua), and a restart forgets everything.
local authorize = require "simulator.ghl.authorize"
local cast = require "simulator.cast"
local contacts = require "simulator.ghl.contacts"
local control = require "simulator.control"
local conversations = require "simulator.ghl.conversations"
local oauth = require "simulator.ghl.oauth"
local respond = require "bascule.respond"
local router = require "bascule.router"

local server = {}

local routes = {
  { "GET", "/oauth/chooselocation", authorize },
  { "GET", "/v2/oauth/chooselocation", authorize },
}
for _, part in ipairs { oauth, conversations, contacts, cast, control } do
  table.move(part.routes, 1, #part.routes, #routes + 1, routes)
end

local dispatch = router.new(routes)

---@param request host.Request
---@return bascule.Answer
function server.handle(request)
  local answer, reason, allow = dispatch(request)
  if answer then
    return answer
  end
  if reason == "method_not_allowed" then
    return respond.error(request, 405, reason, "This path takes " .. allow .. ".", { allow = allow })
  end
  return respond.error(request, 404, reason, "The simulator has nothing at this path.")
end

return server
