-- What the host makes of a rule's answer: checked as the host checks it, and told as a decision (lua/meta/rules.lua). A
-- spec holds its checks and its words to the host's (tests/host/testing_twin_spec.lua).
local contexts = require "bascule.testing.context"
local suggest = require "bascule.suggest"

local decision = {}

-- What a rule may set, also where the message came without it; "+": it must stay where the message came with it.
local contracts <const> = {
  outbound = {
    noun = "message",
    names = { "to", "body", "sender", "attachments", "provider", "reference" },
    types = {
      to = "text+", body = "text", sender = "text", attachments = "texts", provider = "text", reference = "text",
    },
    others = true,
  },
  inbound = {
    noun = "message",
    names = { "from", "to", "body", "attachments" },
    types = { from = "text+", to = "text+", body = "text", attachments = "texts" },
    others = true,
  },
  report = { noun = "report", names = { "status", "error" }, types = { status = "status", error = "error" } },
}
local statuses <const> = { "pending", "delivered", "failed", "read" }
local error_keys <const> = { "code", "type", "message" }

-- A call under examination: rules, kind, came (the message as it came), name ("message", "report", "part 2").

-- Where the returned value, not a line of the rule, is at fault: the line of the function.
local function fault(call, text, ...)
  local where = debug.getinfo(call.rules[call.kind], "S")
  error(("%s:%d: "):format(where.short_src, where.linedefined) .. text:format(...), 0)
end

local function is_among(word, names)
  for _, name in ipairs(names) do
    if word == name then
      return true
    end
  end
  return false
end

local function refuse_key(call, key)
  local contract = contracts[call.kind]
  local names = table.move(contract.names, 1, #contract.names, 1, {})
  for name in pairs(call.came) do
    names[#names + 1] = name
  end
  local place = call.name == contract.noun and "the " .. call.name or call.name
  fault(call, "unknown key '%s' in %s%s", key, place, suggest.hint(key, names))
end

local function check_keys(call, message)
  local contract = contracts[call.kind]
  for key, value in pairs(message) do
    if type(key) ~= "string" then
      fault(call, "the %s has a key that is no name", contract.noun)
    elseif not contract.types[key] and call.came[key] == nil then
      refuse_key(call, key)
    elseif not contract.types[key] and not contract.others and value ~= call.came[key] then
      fault(call, "%s.%s cannot be changed; of a report only status and error can", call.name, key)
    end
  end
end

local function wrong_type(call, key, expected, value)
  fault(call, "%s.%s must be %s, not %s", call.name, key, expected, type(value))
end

local checks = {}

function checks.text(call, key, value)
  if type(value) ~= "string" then
    wrong_type(call, key, "a text", value)
  end
end
checks["text+"] = checks.text

function checks.texts(call, key, value)
  if type(value) ~= "table" then
    wrong_type(call, key, "a list of texts", value)
  end
  local count = 0
  for index, item in pairs(value) do
    count = count + 1
    if type(item) ~= "string" or math.type(index) ~= "integer" or count > #value then
      fault(call, "%s.%s must be a list of texts", call.name, key)
    end
  end
end

function checks.status(call, key, value)
  if type(value) ~= "string" then
    wrong_type(call, key, "a text", value)
  elseif not is_among(value, statuses) then
    local nearest = suggest.nearest(value, statuses)
    fault(call, '%s.%s cannot be "%s"; %s', call.name, key, value, nearest and ('did you mean "%s"?'):format(nearest)
      or 'there are "pending", "delivered", "failed" and "read"')
  end
end

function checks.error(call, key, value)
  if type(value) ~= "table" then
    wrong_type(call, key, "a table { code, type, message }", value)
  end
  for name, item in pairs(value) do
    if not is_among(name, error_keys) then
      fault(call, "unknown key '%s' in %s.%s%s", tostring(name), call.name, key, suggest.hint(name, error_keys))
    elseif type(item) ~= "string" then
      fault(call, "%s.%s.%s must be a text, not %s", call.name, key, name, type(item))
    end
  end
end

-- `part` nil: the only one.
local function check(call, message, part)
  local contract = contracts[call.kind]
  call.name = part and "part " .. part or contract.noun
  check_keys(call, message)
  for _, key in ipairs(contract.names) do
    local kind, value = contract.types[key], message[key]
    if value ~= nil then
      checks[kind](call, key, value)
    elseif (kind == "text+" or kind == "status") and call.came[key] ~= nil then
      wrong_type(call, key, "a text", value)
    end
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

local function last_text(parts)
  local at = #parts
  while at > 0 and type(parts[at]) ~= "string" do
    at = at - 1
  end
  return at
end

-- Of several texts only the last has the message's attachments: they are sent once.
local function part_of(text, message, last)
  local part = copy(message)
  part.body = text
  part.attachments = last and part.attachments or part.attachments and {}
  return part
end

local function parts_of(call, parts, message)
  local made, last = {}, last_text(parts)
  for i, part in ipairs(parts) do
    local whole = type(part) == "string" and part_of(part, message, i == last) or part
    check(call, whole, i)
    made[i] = copy(whole)
  end
  return made
end

local function answer_of(call, answer, message)
  if type(answer) ~= "table" then
    local returned = answer == nil and "nothing" or type(answer)
    local noun = contracts[call.kind].noun
    fault(call, '%s returned %s; return %s, or context.reject("why")', call.kind, returned, noun)
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

-- Who is asked again says it again; what is not sent leaves no mark, but for a reply that is dropped.
local function take_effects(made, kind, record)
  made.log = #record.log > 0 and record.log or nil
  made.log_dropped = record.log_dropped > 0 and record.log_dropped or nil
  if made.action ~= "defer" and (made.action ~= "reject" or kind == "inbound") then
    made.memory = #record.memory > 0 and record.memory or nil
    made.dnd, made.reply = record.dnd, record.reply
  end
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
  take_effects(made, kind, contexts.recorded(context))
  return made
end

return decision
