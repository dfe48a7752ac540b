-- `bascule rules diff`: new rules against those that run, over the real outbound messages of the store. Its arguments
-- are host.config.arguments(). Both sides are told the same: the time when the message was accepted, the location's
-- settings that are no secrets, the same seed, attempt 0, no contact; and what each remembers is counted from nothing,
-- in the order of the messages.
local config = require "host.config"
local dryrun = require "host.dryrun"
local json = require "host.json"
local store = require "host.store"
local time = require "host.time"

local clock = require "bascule.testing.clock"
local comparison = require "commands.comparison"
local location_settings = require "bascule.settings"
local memory = require "bascule.memory"
local messages = require "bascule.messages"
local program = require "commands.program"
local remembered = require "commands.remembered"
local show = require "commands.show"

local arguments = config.arguments()
local usage, words = program.usage, program.words

local status_changes <const>, status_failures <const> = 1, 3
local page <const> = 500
local since_default <const> = "24h"
local examples_default <const> = 3

local function number(name, otherwise)
  local value = arguments[name]
  local given = value and math.tointeger(tonumber(value))
  if value and (not given or given < 0) then
    usage("--%s must be a whole number, not '%s'", name, value)
  end
  return given or otherwise
end

local function since_ms()
  local ok, ms = pcall(clock.duration, arguments.since or since_default)
  if not ok then
    usage("--since must be a duration such as 90m, 24h or 7d, not '%s'", arguments.since)
  end
  return time.now_ms() - ms
end

-- ---- the two sides

---@class bascule.Side
---@field rules host.dryrun.Rules
---@field kept commands.Remembered
---@field declared table<string, table<string, host.rules.Memory>> by agency

local function side(from)
  local rules, why = dryrun.open(from)
  if not rules then
    usage("%s", words(why))
  end
  return { rules = rules, kept = remembered.new(), declared = {} }
end

-- The version of an agency's file that runs, of those that servers recorded.
local function file_version(slug)
  local versions, why = store.rules_list(slug)
  if not versions then
    usage("%s", words(why))
  end
  for _, version in ipairs(versions) do
    if version.origin == "file" and version.mode == "live" then
      return store.rules_get(slug, version.version)
    end
  end
end

-- What runs, as the store has it: what was published, and what the files of the new side's agencies were.
local function recorded_sources(after)
  local sources, known = {}, {}
  local function add(version)
    if version and version.mode == "live" and version.source and not known[version.agency] then
      known[version.agency] = true
      local path = ("%s/rules.lua@%d"):format(version.agency, version.version)
      sources[#sources + 1] = { slug = version.agency, path = path, source = version.source }
    end
  end
  local published, why = store.rules_current()
  for _, version in ipairs(published or usage("%s", words(why))) do
    add(version)
  end
  for _, agency in ipairs(after.rules:agencies()) do
    add(not known[agency.slug] and file_version(agency.slug))
  end
  if #sources == 0 then
    usage "the store knows of no rules that ran: a server that runs on it keeps a record; else give --against DIR"
  end
  return sources
end

local function check_agency(before, after, slug)
  local slugs = program.slugs(before.rules)
  table.move(program.slugs(after.rules), 1, #after.rules:agencies(), #slugs + 1, slugs)
  program.find_slug(slugs, slug, "neither side has an")
end

-- ---- one message

local settings_of = {} -- location -> its settings

local function settings(location)
  if not settings_of[location] then
    local values, why = location_settings.of(location)
    if not values then
      usage("the settings of location %s: %s", location, words(why))
    end
    settings_of[location] = location_settings.public(values)
  end
  return settings_of[location]
end

local agencies_of = {} -- place -> { before, after }

local function agencies(before, after, message)
  local place = message.location .. " " .. (message.company or "")
  if not agencies_of[place] then
    agencies_of[place] = {
      before.rules:agency(message.location, message.company),
      after.rules:agency(message.location, message.company),
    }
  end
  return table.unpack(agencies_of[place])
end

local function context_of(message)
  return {
    now = message.created_ms,
    location = message.location,
    company = message.company,
    settings = settings(message.location),
    seed = messages.seed(message),
    attempt = 0,
  }
end

local function declarations(one, agency)
  one.declared[agency] = one.declared[agency] or one.rules:needs(agency).memory
  return one.declared[agency]
end

---@return commands.Outcome
local function decide(one, agency, message, given)
  local context = context_of(message)
  local declared = declarations(one, agency)
  local whose = { location = message.location, agency = agency, contact = given.contact_id, number = given.to }
  one.kept.now = context.now
  context.memory = memory.read(message.id, declared, whose, context.now, one.kept)
  local decision, why, code = one.rules:call("outbound", agency, given, context)
  if not decision then
    return { action = "fail", reason = words(why), code = code, agency = agency }
  end
  if decision.action == "send" or decision.action == "split" then
    one.kept:apply(memory.effects(decision.memory, declared, whose, context.now))
  end
  decision.agency, decision.usage = agency, nil
  return decision
end

-- ---- all messages

local function list(since, cursor)
  local found, next_cursor, name = store.message_list { since_ms = since, limit = page, cursor = cursor }
  if name then
    error(words(next_cursor), 0)
  end
  return found, next_cursor
end

local function outbound(found)
  local kept = {}
  for _, message in ipairs(found) do
    kept[#kept + 1] = message.direction == "outbound" and message or nil
  end
  return kept
end

-- The newest `limit` of them, newest first.
local function newest_first(since, limit, visit)
  local found, cursor
  repeat
    found, cursor = list(since, cursor)
    for _, message in ipairs(outbound(found)) do
      if limit == 0 then
        return
      end
      limit = limit - 1
      visit(message)
    end
  until not cursor
end

-- The cursors of the pages that hold the newest `limit` messages, newest first (the first page has none), and how many
-- more than that they hold.
local function pages(since, limit)
  local cursors, total = {}, 0
  local found, cursor
  repeat
    cursors[#cursors + 1] = cursor or false
    found, cursor = list(since, cursor)
    total = total + #outbound(found)
  until not cursor or total >= limit
  return cursors, math.max(0, total - limit)
end

-- The same ones, oldest first.
local function oldest_first(since, limit, visit)
  local cursors, beyond = pages(since, limit)
  for at = #cursors, 1, -1 do
    local found = outbound(list(since, cursors[at] or nil))
    for i = #found, 1, -1 do
      if beyond > 0 then
        beyond = beyond - 1
      else
        visit(found[i])
      end
    end
  end
end

local function remembers(one)
  for _, agency in ipairs(one.rules:agencies()) do
    if next(declarations(one, agency.slug)) then
      return true
    end
  end
  return false
end

local function compare(before, after, since, limit)
  local report = comparison.new(number("examples", examples_default))
  local walk = (remembers(before) or remembers(after)) and oldest_first or newest_first
  walk(since, limit, function(message)
    local old, new = agencies(before, after, message)
    if not arguments.agency or arguments.agency == old or arguments.agency == new then
      local given = messages.outbound(json.decode(message.payload))
      report:add(message, decide(before, old, message, given), decide(after, new, message, given))
    end
  end)
  return report
end

-- ---- the result

local function faults(one)
  local found = {}
  for _, agency in ipairs(one.rules:agencies()) do
    found[#found + 1] = agency.fault
  end
  return found
end

local function status_of(report)
  if report.failures > 0 then
    return status_failures
  end
  return report.changes > 0 and arguments["fail-on"] ~= "failures" and status_changes or 0
end

local function print_json(report, broken, seconds)
  local groups = report:list(arguments["show-text"])
  for _, group in ipairs(groups) do
    json.array(group.examples)
  end
  show.line("%s", json.encode {
    messages = report.messages,
    changes = report.changes,
    new_failures = report.failures,
    broken = json.array(broken),
    groups = json.array(groups),
    seconds = seconds,
  })
end

local function print_text(report, broken, seconds)
  for _, fault in ipairs(broken) do
    show.line("broken: %s", fault)
  end
  show.line("%s in %.1f s, %s changed", show.count(report.messages, "message"), seconds, show.number(report.changes))
  for _, group in ipairs(report:list(arguments["show-text"])) do
    show.line("%9s  %s", show.number(group.count), group.label)
    for _, example in ipairs(group.examples) do
      show.line("           %s", example.id .. "  " .. example.text)
    end
  end
end

local function run()
  local since, limit = since_ms(), number("limit", math.maxinteger)
  local started = time.monotonic_ms()
  local after = side()
  local before = side(arguments.against or recorded_sources(after))
  if arguments.agency then
    check_agency(before, after, arguments.agency)
  end
  local report = compare(before, after, since, limit)
  local print = arguments.json and print_json or print_text
  print(report, faults(after), (time.monotonic_ms() - started) / 1000)
  return status_of(report)
end

return program.run("diff", run)
