-- `bascule rules run`: one event through the rules, without side effects. Its arguments are host.config.arguments().
local config = require "host.config"
local dryrun = require "host.dryrun"
local json = require "host.json"
local time = require "host.time"

local clock = require "bascule.testing.clock"
local differences = require "commands.differences"
local messages = require "bascule.messages"
local program = require "commands.program"
local samples = require "bascule.testing.messages"
local show = require "commands.show"
local suggest = require "bascule.suggest"
local text = require "bascule.rules.text"

local arguments = config.arguments()
local usage, read = program.usage, program.read

local status_failed <const> = 1
local functions <const> = { "outbound", "inbound", "report" }

-- Of an error that names a line of this program.
local function without_place(why)
  return (tostring(why):gsub("^[^ ]+:%d+: ", ""))
end

-- ---- what is read

local function read_object(path)
  local value, why = json.decode(read(path))
  if type(value) ~= "table" then
    usage("%s: %s", path, why and program.words(why) or "a JSON object is needed")
  end
  return value
end

local function check_function(name)
  for _, known in ipairs(functions) do
    if name == known then
      return name
    end
  end
  usage("the event's function is '%s'%s", tostring(name), suggest.hint(name, functions))
end

-- GHL's webhook as posted; `contact` beside its fields is what GHL would tell of it.
local function read_webhook(event)
  local contact = event.contact
  event.contact = nil
  local message = messages.outbound(event)
  if type(contact) == "table" then
    message.contact = samples.contact(contact, message.contact_id)
  end
  return { kind = "outbound", message = message, context = { location = event.locationId, company = event.companyId } }
end

-- { kind, message, context }: a webhook, or an event that names its function.
local function read_event(path)
  local event = read_object(path)
  if event["function"] == nil then
    return read_webhook(event)
  end
  local kind = check_function(event["function"])
  local made, message = pcall(samples[kind], event.message)
  if not made then
    usage("%s: %s", path, without_place(message))
  end
  return { kind = kind, message = message, context = event.context or {} }
end

local function read_time(value)
  if value == nil then
    return time.now_ms()
  end
  local ms = math.tointeger(tonumber(value))
  local ok, parsed = pcall(clock.ms, ms or value)
  if not ok then
    usage("--now: %s", without_place(parsed))
  end
  return parsed
end

local function context_of(given)
  return {
    now = read_time(arguments.now or given.now),
    location = arguments.location or given.location or "",
    company = given.company,
    settings = arguments.settings and read_object(arguments.settings) or given.settings or {},
    seed = given.seed or 0,
    attempt = given.attempt or 0,
    memory = arguments.memory and read_object(arguments.memory) or given.memory or {},
  }
end

-- ---- whose rules

local function open_file(path)
  local source = { slug = "file", path = path, source = read(path) }
  local rules, why = dryrun.open { source }
  return rules or usage("%s", program.words(why))
end

---@return host.dryrun.Rules rules, string agency
local function choose(context)
  if arguments.rules then
    return open_file(arguments.rules), "file"
  end
  local rules, why = dryrun.open()
  if not rules then
    usage("%s", program.words(why))
  elseif arguments.agency then
    return rules, program.find_slug(program.slugs(rules), arguments.agency)
  elseif context.location == "" then
    usage "the event names no location (locationId): give --location, --agency or --rules"
  end
  return rules, rules:agency(context.location, context.company)
end

-- ---- what is shown

local function row(name, value, ...)
  show.line("  %-12s %s", name, value:format(...))
end

local function segments_of(body)
  local found = type(body) == "string" and utf8.len(body) and text.segments(body)
  return found and ("%s of %s"):format(show.count(found.parts, "part"), found.encoding) or nil
end

local function show_fields(before, after)
  for _, change in ipairs(differences.fields(before, after)) do
    row(change.name, "%s -> %s", show.value(change.before), show.value(change.after))
  end
  local cost = segments_of(after.body)
  if cost then
    row("costs", "%s", cost)
  end
end

local effects = {
  add = function(effect)
    local most = effect.most and (" (at most %d)"):format(effect.most) or ""
    return ("counts %s by %d%s"):format(effect.name, effect.by or 1, most)
  end,
  set = function(effect)
    local first = effect.first and " (if nobody did)" or ""
    return ("remembers %s = %s%s"):format(effect.name, show.value(effect.value), first)
  end,
  forget = function(effect)
    return "forgets " .. effect.name
  end,
}

local function show_effects(decision)
  for _, effect in ipairs(decision.memory or {}) do
    row("memory", "%s", effects[effect.op](effect))
  end
  if decision.dnd ~= nil then
    row("dnd", "%s", decision.dnd and "on" or "off")
  end
  if decision.reply then
    row("reply", "%s", show.value(decision.reply))
  end
  for _, line in ipairs(decision.log or {}) do
    row("log", "%s", line)
  end
end

local function show_usage(usage_of)
  if usage_of then
    row("usage", "%s us, %s instructions, %s bytes", show.number(usage_of.us), show.number(usage_of.instructions),
      show.number(usage_of.memory_bytes))
  end
end

local function show_decision(event, decision)
  show.line("%s: %s", decision.agency, decision.action)
  if decision.reason then
    row("reason", "%s", decision.reason)
  end
  if decision.until_ms then
    row("until", "%s", clock.text(decision.until_ms))
  end
  if decision.providers then
    row("providers", "%s", table.concat(decision.providers, ", "))
  end
  if decision.message then
    show_fields(event.message, decision.message)
  end
  for i, part in ipairs(decision.parts or {}) do
    show.line("  message %d of %d", i, #decision.parts)
    show_fields(event.message, part)
  end
  show_effects(decision)
  show_usage(decision.usage)
end

local function print_json(value)
  show.line("%s", json.encode(value))
end

local function show_failure(rules, agency, why, name)
  local excerpt = rules:excerpt(agency, why)
  if arguments.json then
    print_json { agency = agency, error = why, code = name, excerpt = excerpt }
  else
    io.stderr:write(why, "\n")
    show.excerpt(io.stderr, "  ", excerpt)
  end
end

local function run()
  local event = read_event(arguments.event)
  local context = context_of(event.context)
  local rules, agency = choose(context)
  event.message.contact = rules:needs(agency).contact and event.message.contact or nil
  local decision, why, name = rules:call(event.kind, agency, event.message, context)
  if not decision then
    show_failure(rules, agency, program.words(why), name)
    return status_failed
  end
  decision.agency = agency
  if arguments.json then
    print_json(decision)
  else
    show_decision(event, decision)
  end
  return 0
end

return program.run("run", run)
