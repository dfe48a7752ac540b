-- The context of a rule as the host makes it (lua/meta/rules.lua), with what the rule asks for recorded. A spec holds
-- its checks and its words to the host's (tests/host/testing_twin_spec.lua).
local json = require "host.json"

local suggest = require "bascule.suggest"

local context = {}

local most_parts <const> = 10
local most_lines <const> = 20
local most_log_bytes <const> = 2000
local most_value_bytes <const> = 1000
local most_count <const> = 1000000000

local recorded = setmetatable({}, { __mode = "k" }) -- context -> what its rule asked for

---@class bascule.testing.Record
---@field memory table[] effects in order
---@field log string[]
---@field log_dropped integer
---@field dnd? boolean
---@field reply? string

--- The mark of what context.reject and its kin give: a rule's own table with an `action` is none.
context.result = { __metatable = "result" }

local function fail(text, ...)
  error(text:format(...), 3)
end

local function check_text(value, what)
  if type(value) ~= "string" then
    error(("%s must be a text, not %s"):format(what, type(value)), 3)
  end
end

local function check_table(value, name, index)
  if type(value) ~= "table" then
    local got = value == nil and "no value" or type(value)
    error(("bad argument #%d to '%s' (table expected, got %s)"):format(index or 1, name, got), 3)
  end
end

local function result(fields)
  return setmetatable(fields, context.result)
end

-- ---- answers

local function reject(reason)
  check_text(reason, "context.reject's reason")
  return result { action = "reject", reason = reason }
end

local time_bound <const> = 2 ^ 53 -- no number beyond is exact, and none is a time

local function defer(options)
  check_table(options, "defer")
  suggest.check_options(options, { "until_", "reason" }, 2)
  local time = options.until_
  if not math.type(time) or not (-time_bound < time and time < time_bound) then
    fail("context.defer's until_ must be a time in milliseconds, not %s", type(time))
  end
  if options.reason ~= nil then
    check_text(options.reason, "context.defer's reason")
  end
  return result { action = "defer", until_ms = math.floor(time), reason = options.reason }
end

local function route(providers)
  check_table(providers, "route")
  if #providers == 0 then
    fail 'context.route needs at least one provider: context.route { "cast" }'
  end
  local list = {}
  for i, name in ipairs(providers) do
    check_text(name, "a provider of context.route")
    list[i] = name
  end
  return result { action = "send", providers = list }
end

local function split(messages)
  check_table(messages, "split")
  if #messages == 0 then
    fail 'context.split needs at least one message: context.split { "first", "second" }'
  elseif #messages > most_parts then
    fail("context.split takes at most %d messages, not %d", most_parts, #messages)
  end
  local parts = {}
  for i, part in ipairs(messages) do
    if type(part) ~= "string" and type(part) ~= "table" then
      fail("a message of context.split must be a text or a message, not %s", type(part))
    end
    parts[i] = part
  end
  return result { action = "split", parts = parts }
end

-- ---- effects

local function check_whole(value, what, least)
  if value ~= nil and (math.type(value) ~= "integer" or value < least or value > most_count) then
    error(("%s must be a whole number from %d to %d"):format(what, least, most_count), 3)
  end
end

local function refuse_name(declared, where, name, level)
  local names = {}
  for other in pairs(declared) do
    names[#names + 1] = other
  end
  error(("%s: '%s' is not declared in memory%s"):format(where, name, suggest.hint(name, names)), level + 1)
end

-- Without rules (testing.context without them) whatever has a name goes.
local function check_declared(declared, call, name, kind)
  check_text(name, ("context.%s's name"):format(call))
  local declaration = declared and declared[name]
  if declared and not declaration then
    refuse_name(declared, "context." .. call, name, 3)
  elseif declaration and declaration.kind ~= kind then
    error(("context.%s: '%s' is a %s, not a %s"):format(call, name, declaration.kind, kind), 3)
  end
end

-- A value as it is now, whatever the rule does with it later.
local function as_kept(value)
  local text, why = json.encode(value)
  if not text then
    error("context.remember's value: " .. why:gsub("^INVALID: ", ""), 3)
  elseif #text > most_value_bytes then
    error(("context.remember's value: it is too large (%d bytes of JSON; at most %d are kept)"):format(
      #text, most_value_bytes), 3)
  end
  return json.decode(text)
end

-- The effect on a name in the list, a new one where there is none, or where it is no addition to one.
local function effect_on(list, name, op)
  local at = 1
  while list[at] and list[at].name ~= name do
    at = at + 1
  end
  if not list[at] or op ~= "add" then
    list[at] = { name = name, op = op }
  end
  return list[at]
end

local function effects(record, declared)
  -- The sum of several calls is one addition; the least of their limits holds.
  local function count(name, options)
    check_declared(declared, "count", name, "counter")
    options = options or {}
    check_table(options, "count", 2)
    suggest.check_options(options, { "by", "most" }, 2)
    check_whole(options.by, "context.count's by", 1)
    check_whole(options.most, "context.count's most", 0)
    local effect = effect_on(record.memory, name, "add")
    effect.by = (effect.by or 0) + (options.by or 1)
    if effect.by > most_count then
      fail("context.count: '%s' grows by more than %d in all", name, most_count)
    end
    effect.most = effect.most and options.most and math.min(effect.most, options.most) or effect.most or options.most
  end

  local function remember(name, value, options)
    check_declared(declared, "remember", name, "value")
    options = options or {}
    check_table(options, "remember", 3)
    suggest.check_options(options, { "first" }, 2)
    if value == nil then
      fail("context.remember needs a value; context.forget forgets one")
    end
    local kept = as_kept(value)
    local effect = effect_on(record.memory, name, "set")
    effect.value, effect.first = kept, options.first and true or nil
  end

  local function forget(name)
    check_declared(declared, "forget", name, "value")
    effect_on(record.memory, name, "forget")
  end

  return { count = count, remember = remember, forget = forget }
end

local function timeline(record)
  local bytes = 0
  return function(line)
    check_text(line, "context.log's text")
    if #record.log >= most_lines or bytes + #line > most_log_bytes then
      record.log_dropped = record.log_dropped + 1
      return
    end
    bytes = bytes + #line
    record.log[#record.log + 1] = line
  end
end

local function answers_to_sender(record)
  local function dnd(on)
    if type(on) ~= "boolean" then
      fail("context.dnd needs true or false, not %s", on == nil and "nil" or type(on))
    end
    record.dnd = on
  end

  local function reply(body)
    check_text(body, "context.reply's text")
    record.reply = body
  end

  return { dnd = dnd, reply = reply }
end

-- ---- the context

local functions_of <const> = {
  outbound = { "reject", "defer", "route", "split", "log", "count", "remember", "forget" },
  inbound = { "reject", "defer", "log", "count", "remember", "forget", "dnd", "reply" },
  report = { "reject", "log" },
}

local function refuse(name, kind)
  return function()
    error(("context.%s is not for %s"):format(name, kind), 2)
  end
end

local function remembered(declared, given)
  local memory = {}
  for name, declaration in pairs(declared or {}) do
    memory[name] = declaration.kind == "counter" and { count = 0 } or {}
  end
  for name, entry in pairs(given or {}) do
    if declared and not declared[name] then
      refuse_name(declared, "the context's memory", name, 4)
    end
    memory[name] = entry
  end
  return memory
end

--- `fields` is complete but for its memory. `kind` nil: whatever the function, nothing is refused.
---@param fields table
---@param declared? table<string, bascule.MemoryDeclaration> nil: any name goes
---@param kind? "outbound"|"inbound"|"report"
---@return table
function context.new(fields, declared, kind)
  local record = { memory = {}, log = {}, log_dropped = 0 }
  local functions = { reject = reject, defer = defer, route = route, split = split, log = timeline(record) }
  for _, more in ipairs { effects(record, declared), answers_to_sender(record) } do
    for name, call in pairs(more) do
      functions[name] = call
    end
  end
  local allowed = {}
  for _, name in ipairs(functions_of[kind] or {}) do
    allowed[name] = true
  end
  local made = {}
  for name, value in pairs(fields) do
    made[name] = value
  end
  made.memory = remembered(declared, fields.memory)
  for name, call in pairs(functions) do
    made[name] = (not kind or allowed[name]) and call or refuse(name, kind)
  end
  recorded[made] = record
  return made
end

--- What the rule that was given this context asked for beside its answer.
---@param made table
---@return bascule.testing.Record
function context.recorded(made)
  return recorded[made] or error("this context was not made by testing.context", 2)
end

return context
