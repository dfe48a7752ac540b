-- What the host calls for every request that passed the limits. Each call is a coroutine of its own, so a handler may
-- wait; bascule.routes says which handler it is.
local respond = require "bascule.respond"
local router = require "bascule.router"

local server = {}

local dispatch = router.new(require "bascule.routes")

---@param request host.Request
---@return bascule.Answer
function server.handle(request)
  local answer, reason, allow = dispatch(request)
  if answer then
    return answer
  elseif reason == "method_not_allowed" then
    return respond.error(request, 405, reason, "This path takes " .. allow .. ".", { allow = allow })
  end
  return respond.error(request, 404, "not_found", "There is nothing at this path.")
end

return server
