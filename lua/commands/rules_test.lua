-- `bascule rules test`: the tests within agencies' files, and the specs beside them by busted, inside the host.
local config = require "host.config"
local dryrun = require "host.dryrun"
local json = require "host.json"

local program = require "commands.program"
local show = require "commands.show"

local arguments = config.arguments()
local usage = program.usage

local status_failed <const> = 1

local function quote(word)
  return "'" .. word:gsub("'", [['\'']]) .. "'"
end

-- What a command prints, without the line's end; nil where it fails.
local function output_of(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  return pipe:close() and text:gsub("%s+$", "") or nil, text
end

-- ---- which agencies

local function wanted_slugs()
  local rules, why = dryrun.open()
  local slugs = program.slugs(rules or usage("%s", program.words(why)))
  return arguments.agency and { program.find_slug(slugs, arguments.agency) } or slugs
end

-- ---- one agency

---@class commands.Tested
---@field agency string
---@field passed integer
---@field failures {name:string, what:string, excerpt?:string}[]

local function add_failure(tested, rules, name, what)
  table.insert(tested.failures, { name = name, what = what, excerpt = rules:excerpt(tested.agency, what) })
end

local function add_own(tested, folder)
  local slug, path = tested.agency, folder .. "/rules.lua"
  local rules <close> = dryrun.open { { slug = slug, path = path, source = program.read(path) } }
  local tests, why = rules:tests(slug)
  if not tests then
    add_failure(tested, rules, slug, program.words(why))
  end
  for _, test in ipairs(tests or {}) do
    if test.failure then
      add_failure(tested, rules, test.name, test.failure)
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
  add_own(tested, folder)
  add_specs(tested, folder)
  return tested
end

-- ---- the result

local function show_agency(tested)
  show.line("%s: %d passed, %d failed", tested.agency, tested.passed, #tested.failures)
  for _, failure in ipairs(tested.failures) do
    show.line("  %s", failure.name)
    show.line("    %s", (failure.what:gsub("\n", "\n    ")))
    show.excerpt(io.stdout, "      ", failure.excerpt)
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

return program.run("test", run)
