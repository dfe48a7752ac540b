-- What the host makes of a rule's answer: checked as the host checks it, and told as a decision (lua/meta/rules.lua).
local contexts = require "bascule.testing.context"
local suggest = require "bascule.suggest"

local decision = {}

-- What a rule may set in a message that came without it.
local settable <const> = {
  outbound = { "to", "body", "sender", "attachments", "provider", "reference" },
  inbound = { "from", "to", "body", "attachments" },
  report = { "status", "error" },
}
local texts <const> = { "body", "sender", "provider", "reference", "from", "status" }
local advice <const> = {
  outbound = 'return message, or context.reject("why")',
  inbound = 'return message, or context.reject("why")',
  report = 'return report, or context.reject("why")',
}
local noun <const> = { outbound = "message", inbound = "message", report = "report" }

-- Where the returned value, not a line of the rule, is at fault: the line of the function.
local function fault(call, text, ...)
  local where = debug.getinfo(call.rules[call.kind], "S")
  error(("%s:%d: "):format(where.short_src, where.linedefined) .. text:format(...), 0)
end

local function names_of(call)
  local names, known = {}, {}
  for _, name in ipairs(settable[call.kind]) do
    names[#names + 1], known[name] = name, true
  end
  for name in pairs(call.came) do
    if not known[name] then
      names[#names + 1], known[name] = name, true
    end
  end
  return names, known
end

local function check_keys(call, message)
  local names, known = names_of(call)
  for key in pairs(message) do
    if type(key) ~= "string" then
      fault(call, "the %s has a key that is no name", noun[call.kind])
    elseif not known[key] then
      local nearest = suggest.nearest(key, names)
      local hint = nearest and ("; did you mean '%s'?"):format(nearest) or ""
      fault(call, "unknown key '%s' in the %s%s", key, noun[call.kind], hint)
    end
  end
end

local function check_text(call, message, key, needed)
  local value = message[key]
  if type(value) ~= "string" and (value ~= nil or needed) then
    fault(call, "%s.%s must be a text, not %s", noun[call.kind], key, type(value))
  end
end

local function check(call, message)
  check_keys(call, message)
  check_text(call, message, "to", call.came.to ~= nil)
  for _, key in ipairs(texts) do
    check_text(call, message, key, false)
  end
end

local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local made = {}
  for key, field in pairs(value) do
    made[key] = copy(field)
  end
  return made
end
decision.copy = copy

local function parts_of(call, parts, message)
  local made = {}
  for i, part in ipairs(parts) do
    local whole = part
    if type(part) == "string" then
      whole = copy(message)
      whole.body = part
    end
    check(call, whole)
    made[i] = copy(whole)
  end
  return made
end

local function answer_of(call, answer, message)
  if type(answer) ~= "table" then
    local returned = answer == nil and "nothing" or type(answer)
    fault(call, "%s returned %s; %s", call.kind, returned, advice[call.kind])
  elseif getmetatable(answer) ~= contexts.result.__metatable then
    check(call, answer)
    return { action = "send", message = copy(answer) }
  elseif answer.action == "split" then
    return { action = "split", parts = parts_of(call, answer.parts, message) }
  end
  local made = { action = answer.action, reason = answer.reason, until_ = answer.until_ms }
  made.providers = answer.providers
  if answer.action == "send" then
    check(call, message)
    made.message = copy(message)
  end
  return made
end

--- Runs a function of the rules on a copy of `message`.
---@param rules bascule.Rules
---@param kind "outbound"|"inbound"|"report"
---@param message table
---@param context table by testing.context
---@return bascule.Decision
function decision.run(rules, kind, message, context)
  local call = { rules = rules, kind = kind, came = message }
  local given = copy(message)
  local made = answer_of(call, rules[kind](given, context), given)
  local record = contexts.recorded(context)
  -- Who is asked again says it again; what is not sent leaves no mark, but for a reply that is dropped.
  if made.action ~= "defer" and (made.action ~= "reject" or kind == "inbound") then
    made.memory = #record.memory > 0 and record.memory or nil
    made.dnd, made.reply = record.dnd, record.reply
  end
  made.log = #record.log > 0 and record.log or nil
  made.log_dropped = record.log_dropped > 0 and record.log_dropped or nil
  return made
end

return decision
