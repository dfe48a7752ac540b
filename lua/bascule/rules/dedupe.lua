-- Duplicates: the same text to the same contact within some time, as a workflow that runs twice sends it.
--
--   memory = { texts = { kind = "value", per = "contact", ttl = "1h" } },
--
--   if dedupe.seen(message, context, "texts", { within = "10m" }) then
--     return context.reject "the same text a moment ago"
--   end
--
-- Kept are short numbers of the last texts, not the texts. A retry of a message is no duplicate of itself.
---@meta bascule.dedupe
local arguments, hash = require "host.arguments", require "bascule.hash"

local dedupe = {}

local units <const> = { s = 1000, m = 60 * 1000, h = 3600 * 1000, d = 24 * 3600 * 1000 }
local expected_options <const> = { within = "string!", keep = "integer" }
local fields <const> = 3 -- of an entry in the list that is kept: the text's number, the message's, the time
local keep_most <const> = 16 -- entries of up to 48 bytes, in a value of up to 1,000

local function duration_ms(text)
  local number, unit = text:match "^(%d+)([smhd])$"
  if not number then
    error(("dedupe.seen: %s is no duration such as \"10m\" or \"12h\""):format(text), 3)
  end
  return math.tointeger(number) * units[unit]
end

local function remembered(context, name)
  local entry = context.memory[name]
  if not entry or entry.count then
    error(("dedupe.seen: '%s' is no value of the rules' memory%s"):format(
      tostring(name), arguments.hint(tostring(name), context.memory)), 3)
  end
  return entry.value or {}
end

-- What is young enough of the list, this message's own entry left out, and whether the text is among it.
local function sift(list, body, id, since)
  local young, seen = {}, false
  for i = 1, #list, fields do
    if list[i + 1] ~= id and list[i + 2] > since then
      seen = seen or list[i] == body
      table.move(list, i, i + fields - 1, #young + 1, young)
    end
  end
  return young, seen
end

--- Whether a message with this body went to the same contact (or whose the memory is) within the time. Where none did,
--- this one is kept. To be asked before the rule rewrites the body.
---@param message bascule.OutboundMessage
---@param context bascule.Context
---@param name string of `memory`, a value
---@param options {within: string, keep?: integer} within "10m"; keep the last so many texts, 1 to 16, 8 otherwise
---@return boolean
function dedupe.seen(message, context, name, options)
  local given = arguments.options("dedupe.seen", options, expected_options)
  local keep = given.keep or 8
  if keep < 1 or keep > keep_most then
    error(("dedupe.seen: keep is 1 to %d, not %d"):format(keep_most, keep), 2)
  end
  local body, id = hash.of(message.body), hash.of(message.message_id)
  local list, seen = sift(remembered(context, name), body, id, context.now - duration_ms(given.within))
  if not seen then
    table.move({ body, id, context.now }, 1, fields, #list + 1, list)
    local surplus = math.max(0, #list - keep * fields)
    context.remember(name, table.move(list, surplus + 1, #list, 1, {}))
  end
  return seen
end

return dedupe
