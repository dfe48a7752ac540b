-- `bascule rules test`: the tests within agencies' files, and the specs beside them by busted, inside the host.
local config = require "host.config"
local dryrun = require "host.dryrun"
local json = require "host.json"

local show = require "commands.show"
local suggest = require "bascule.suggest"

local arguments = config.arguments()

local status_failed <const>, status_usage <const> = 1, 2

local function usage(why, ...)
  error({ usage = why:format(...) }, 0)
end

local function quote(word)
  return "'" .. word:gsub("'", [['\'']]) .. "'"
end

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read "a"
  if file then
    file:close()
  end
  return text
end

-- What a command prints, without the line's end; nil where it fails.
local function output_of(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  return pipe:close() and text:gsub("%s+$", "") or nil, text
end

-- ---- which agencies

local function all_slugs()
  local rules, why = dryrun.open()
  local slugs = {}
  for i, agency in ipairs(rules and rules:agencies() or usage("%s", why)) do
    slugs[i] = agency.slug
  end
  return slugs
end

local function wanted_slugs()
  local slugs = all_slugs()
  if not arguments.agency then
    return slugs
  end
  for _, slug in ipairs(slugs) do
    if slug == arguments.agency then
      return { slug }
    end
  end
  usage("there is no agency '%s'%s", arguments.agency, suggest.hint(arguments.agency, slugs))
end

-- ---- one agency

---@class commands.Tested
---@field agency string
---@field passed integer
---@field failures {name:string, what:string}[]

local function add_own(tested, folder, slug)
  local path = folder .. "/rules.lua"
  local rules <close> = dryrun.open { { slug = slug, path = path, source = read(path) or "" } }
  local tests, why = rules:tests(slug)
  if not tests then
    table.insert(tested.failures, { name = slug, what = (why:gsub("^%u+: ", "")) })
  end
  for _, test in ipairs(tests or {}) do
    if test.failure then
      table.insert(tested.failures, { name = test.name, what = test.failure })
    else
      tested.passed = tested.passed + 1
    end
  end
end

local function busted()
  return output_of "command -v busted" or usage "busted is not installed (Debian: apt install lua-busted)"
end

local function add_specs(tested, folder)
  if not output_of("test -d " .. quote(folder .. "/spec")) then
    return
  end
  local command = table.concat({
    quote(arguments.program), "lua", quote(busted()),
    "--config-file=" .. quote(arguments.lua .. "/commands/busted_config.lua"),
    "--lpath=" .. quote(arguments.lua .. "/?.lua"), "--output=commands.busted_output", quote(folder .. "/spec"),
  }, " ")
  local _, text = output_of(command)
  local result = json.decode(text:match "{.*}" or "")
  if not result then
    table.insert(tested.failures, { name = folder .. "/spec", what = "busted did not run: " .. text })
    return
  end
  tested.passed = tested.passed + result.passed
  table.move(result.failures, 1, #result.failures, #tested.failures + 1, tested.failures)
end

local function test_agency(slug)
  local tested = { agency = slug, passed = 0, failures = json.array {} }
  local folder = config.get "BASCULE_AGENCIES" .. "/" .. slug
  add_own(tested, folder, slug)
  add_specs(tested, folder)
  return tested
end

-- ---- the result

local function show_agency(tested)
  show.line("%s: %d passed, %d failed", tested.agency, tested.passed, #tested.failures)
  for _, failure in ipairs(tested.failures) do
    show.line("  %s", failure.name)
    show.line("    %s", (failure.what:gsub("\n", "\n    ")))
  end
end

local function run()
  local agencies, passed, failed = json.array {}, 0, 0
  for i, slug in ipairs(wanted_slugs()) do
    agencies[i] = test_agency(slug)
    passed, failed = passed + agencies[i].passed, failed + #agencies[i].failures
    if not arguments.json then
      show_agency(agencies[i])
    end
  end
  if arguments.json then
    show.line("%s", json.encode { agencies = agencies, passed = passed, failed = failed })
  else
    show.line("%d passed, %d failed", passed, failed)
  end
  return failed == 0 and 0 or status_failed
end

local ok, result = xpcall(run, function(why)
  return type(why) == "table" and why.usage and why or debug.traceback(why)
end)
if not ok then
  return show.fail("test", status_usage, "%s", type(result) == "table" and result.usage or result)
end
return result
