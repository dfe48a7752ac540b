-- Which way a message goes: by weight, by prefix, the way it went before, the way that the contact wrote.
--
--   return context.route(routing.order(context, { cast = 3, twilio = 1 }))      -- three of four begin with cast
--   message.sender = routing.prefix(message.to, { ["+63917"] = "GLOBE", ["+63"] = "ACME" })
--
-- With memory = { way = { kind = "value", per = "contact", ttl = "30d" } }:
--
--   message.sender = routing.sticky(context, "way", { ACME1 = 1, ACME2 = 1 })   -- the same one for a contact
--   routing.keep(message, context, "way")                                       -- inbound: remembers how it came
--   routing.follow(message, context, "way")                                     -- outbound: goes back the same way
---@meta bascule.routing
local arguments, hash = require "host.arguments", require "bascule.hash"

local routing = {}

-- The names in order, so that the same seed gives the same choice, and the sum of their weights.
local function read_weights(weights, level)
  local names, sum = {}, 0
  for name, weight in pairs(type(weights) == "table" and weights or {}) do
    if type(name) ~= "string" or not math.type(weight) or not (weight >= 0 and weight < math.huge) then
      error("routing: weights are numbers by name: { cast = 3, twilio = 1 }", level + 1)
    end
    names[#names + 1], sum = name, sum + weight
  end
  if sum <= 0 then
    error("routing: weights are numbers by name, one of them above 0: { cast = 3, twilio = 1 }", level + 1)
  end
  table.sort(names)
  return names, sum
end

-- Where in the list of names the share of the sum lies.
local function place_of(share, names, weights)
  local last
  for i, name in ipairs(names) do
    share = share - weights[name]
    if weights[name] > 0 then
      last = i
      if share < 0 then
        return i
      end
    end
  end
  return last
end

local function choose(context, weights, name, level)
  local names, sum = read_weights(weights, level + 1)
  return names[place_of(hash.share(context.seed, name) * sum, names, weights)]
end

--- One of the names, by weight: the same for a message however often it is asked.
---@param context bascule.Context
---@param weights table<string, number> { cast = 3, twilio = 1 }
---@param name? string of the decision: where a rule takes several, each needs its own
---@return string
function routing.weighted(context, weights, name)
  return (choose(context, weights, name or "weighted", 2))
end

--- All names whose weight is above 0, the first by weight, and so on among the others: for context.route.
---@param context bascule.Context
---@param weights table<string, number>
---@return string[]
function routing.order(context, weights)
  local names, sum = read_weights(weights, 2)
  local order = {}
  local place = place_of(hash.share(context.seed, "order") * sum, names, weights)
  while place do
    local name = table.remove(names, place)
    order[#order + 1], sum = name, sum - weights[name]
    place = place_of(hash.share(context.seed, "order" .. #order) * sum, names, weights)
  end
  return order
end

local function remembered(context, name, level)
  local entry = context.memory[name]
  if not entry or entry.count then
    error(("routing: '%s' is no value of the rules' memory%s"):format(
      tostring(name), arguments.hint(tostring(name), context.memory)), level + 1)
  end
  return entry.value
end

--- The name that was chosen before, while it is kept and still has weight; else one by weight, which is kept then.
---@param context bascule.Context
---@param name string of `memory`, a value; its ttl says for how long
---@param weights table<string, number>
---@param options? {renew?: boolean} renew: the time begins anew with each message
---@return string
function routing.sticky(context, name, weights, options)
  local renew = arguments.options("routing.sticky", options, { renew = "boolean" }).renew
  local kept = remembered(context, name, 2)
  local is_good = type(kept) == "string" and (weights[kept] or 0) > 0
  local choice = is_good and kept or choose(context, weights, name, 2)
  if not is_good or renew then
    context.remember(name, choice)
  end
  return choice
end

--- Remembers which way the contact wrote (inbound) or is written to (outbound): our number or sender, and the provider.
---@param message bascule.InboundMessage|bascule.OutboundMessage
---@param context bascule.Context
---@param name string of `memory`, a value; its ttl says for how long
function routing.keep(message, context, name)
  remembered(context, name, 2)
  local ours = message.sender
  if message.from then
    ours = message.to
  end
  if ours or message.provider then
    context.remember(name, { sender = ours, provider = message.provider })
  end
end

--- Sends the message the way that routing.keep remembered, while it is kept: whether there was one.
---@param message bascule.OutboundMessage
---@param context bascule.Context
---@param name string of `memory`
---@return boolean
function routing.follow(message, context, name)
  local way = remembered(context, name, 2)
  if not way then
    return false
  end
  message.sender, message.provider = way.sender or message.sender, way.provider or message.provider
  return true
end

--- What belongs to the longest prefix that the number begins with, or nil.
---@param number string in E.164, as phone.e164 gives it
---@param values table<string, any> { ["+63917"] = "GLOBE", ["+63"] = "ACME" }
---@return any
function routing.prefix(number, values)
  if type(number) ~= "string" or type(values) ~= "table" then
    error("routing.prefix: it takes a number and a table by prefixes", 2)
  end
  for length = #number, 0, -1 do
    local value = values[number:sub(1, length)]
    if value ~= nil then
      return value
    end
  end
  return nil
end

return routing
