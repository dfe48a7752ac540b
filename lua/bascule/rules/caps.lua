-- Caps: so many messages an hour, day, week or month. The rules declare what is counted, and for whom:
--
--   memory = { today = { kind = "counter", per = "contact", window = "day", zone = "Asia/Manila" } },
--
--   if not caps.take(context, "today", 3) then
--     return context.reject "three messages today"
--   end
--
-- The host counts a message once, however often it is tried, and when it is sent.
---@meta bascule.caps
local arguments = require "host.arguments"

local caps = {}

--- How many others than this message were counted within the window.
---@param context bascule.Context
---@param name string of `memory`
---@return integer
function caps.used(context, name)
  local remembered = context.memory[name]
  if not remembered or not remembered.count then
    error(("caps: '%s' is no counter of the rules' memory%s"):format(
      tostring(name), arguments.hint(tostring(name), context.memory)), 2)
  end
  return remembered.count
end

--- Counts this message where there is room for it: true, and how many there are with it. Else false, and how many there
--- are; nothing is counted then.
---@param context bascule.Context
---@param name string of `memory`
---@param most integer
---@param options? {by?: integer} how much this message counts, 1 otherwise: its parts, for example
---@return boolean taken, integer count
function caps.take(context, name, most, options)
  local by = arguments.options("caps.take", options, { by = "integer" }).by or 1
  if math.type(most) ~= "integer" then
    error("caps.take: the most is a whole number, not a " .. type(most), 2)
  end
  local used = caps.used(context, name)
  if used + by > most then
    return false, used
  end
  context.count(name, { by = by, most = most })
  return true, used + by
end

return caps
