-- /admin/v1/agencies: the rules that each agency runs, and publishing others. A text is checked, with its own tests,
-- before it is stored; the answer comes once this process runs it, and the other processes on the store follow.
local config = require "host.config"
local http = require "host.http"
local json = require "host.json"
local log = require "host.log"
local scripts = require "host.scripts"
local store = require "host.store"

local difference = require "bascule.difference"
local failure = require "bascule.failure"
local operator = require "bascule.handlers.operator"
local respond = require "bascule.respond"
local suggest = require "bascule.suggest"

local rules = {}

local bad, guarded, iso = operator.bad, operator.guarded, operator.iso
local read_body, store_answer = operator.read_body, operator.store_answer

local longest_slug <const> = 64
local longest_note <const> = 500 -- bytes, of notes, names and reasons
local versions_default <const> = 50
local versions_most <const> = 500
local modes <const> = { "live", "shadow", "canary" }
local no_agency <const> = "No rules of this agency are known here."
local no_version <const> = "This agency has no such version."

-- ---- reading requests

-- As the name of a folder that means nothing else: also "default" is taken, by the rule of those who have none.
local function is_slug(slug)
  return #slug <= longest_slug and slug:find "^[a-z0-9][a-z0-9_-]*$" ~= nil and slug ~= "default"
end

-- A handler of one agency.
local function of_agency(handler)
  return guarded(function(request, parameters)
    if not is_slug(parameters.slug) then
      return bad(request, "an agency's name is 1 to 64 of a-z, 0-9, - and _, and begins with one of the first two")
    end
    return handler(request, parameters)
  end)
end

-- What is wrong with the fields of a body, or nil. `kinds`: by name, "text" or the type.
local function fields_fault(body, kinds)
  local names = {}
  for name in pairs(kinds) do
    names[#names + 1] = name
  end
  table.sort(names)
  for name, value in pairs(body) do
    local kind = kinds[name]
    if not kind then
      return ("unknown field %s%s"):format(name, suggest.hint(tostring(name), names))
    elseif kind == "integer" and math.type(value) ~= "integer" then
      return name .. " must be a whole number"
    elseif kind ~= "integer" and type(value) ~= "string" then
      return name .. " must be text"
    elseif kind == "note" and #value > longest_note then
      return ("%s must be at most %d bytes"):format(name, longest_note)
    end
  end
end

local function read_fields(request, kinds)
  local body, fault = read_body(request)
  fault = fault or fields_fault(body, kinds)
  if fault then
    return nil, bad(request, fault)
  end
  return body
end

local function read_query(request, name)
  local query, why, code = http.parse_form(request.query)
  if not query then
    return nil, failure.words(why, code)
  end
  for given in pairs(query) do
    if given ~= name then
      return nil, ("unknown parameter %s%s"):format(given, suggest.hint(given, { name }))
    end
  end
  return query[name] ~= "" and query[name] or false
end

local function version_number(text)
  return text:find "^%d+$" and math.tointeger(tonumber(text)) or nil
end

-- ---- what runs

-- The agency as the current generation has it, or nil.
local function running(slug)
  for _, agency in ipairs(scripts.agencies()) do
    if agency.slug == slug then
      return agency
    end
  end
end

-- The store's versions that count for an agency: the live one and the candidate, either may be nil.
local function current_of(slug)
  local list, why, name = store.rules_current()
  if not list then
    return nil, why, name
  end
  local found = {}
  for _, version in ipairs(list) do
    if version.agency == slug then
      found[version.mode == "live" and "live" or "candidate"] = version
    end
  end
  return found
end

local function version_view(version)
  return {
    version = version.version,
    at = iso(version.at_ms),
    by = version.by,
    origin = version.origin,
    hash = version.hash,
    mode = version.mode,
    percent = version.percent and version.percent > 0 and version.percent or nil,
    note = version.note,
    reason = version.reason,
  }
end

rules.agencies = guarded(function()
  return respond.json(200, { agencies = scripts.agencies() })
end)

rules.agency = of_agency(function(request, parameters)
  local agency = running(parameters.slug)
  if not agency then
    return respond.error(request, 404, "not_found", no_agency)
  end
  return respond.json(200, agency)
end)

-- ---- publishing

-- 422 with what a person needs to mend it: the place, and the lines around it.
local function refuse_rules(request, fault)
  local message = failure.words(fault.message, "REFUSED")
  return respond.json(422, {
    error = {
      code = "refused",
      message = message,
      file = fault.file,
      line = fault.line,
      excerpt = fault.excerpt,
      request_id = request.id,
    },
  })
end

-- The answer once this process runs what the store has now.
local function take(request, slug, version, status)
  scripts.reload() -- also says no where another file is broken, which is not the concern of this one
  local agency = running(slug)
  local candidate = agency and agency.candidate
  local runs = agency and agency.version == version.version or candidate and candidate.version == version.version
  if not runs then
    local fault = agency and agency.fault or "the rules were published, but this process does not run them"
    return respond.error(request, 500, "not_running", fault)
  end
  return respond.json(status, {
    agency = slug,
    version = version.version,
    hash = version.hash,
    mode = version.mode,
    percent = version.percent,
    generation = scripts.describe().current.id,
  })
end

-- Stores a text that was checked, and takes it.
local function publish(request, new, status)
  local version, why, name = store.rules_add(new)
  if name == "CONFLICT" then
    return respond.error(request, 409, "conflict", "Another version was published meanwhile; look at it first.")
  elseif not version then
    return store_answer(request, why, name, no_agency)
  end
  log.info("rules published", { agency = new.agency, version = version, mode = new.mode, by = new.by })
  local added = { version = version, hash = new.hash, mode = new.mode, percent = new.percent }
  return take(request, new.agency, added, status)
end

local put_fields <const> = {
  source = "text", note = "note", mode = "text", percent = "integer", by = "note", expected_version = "integer",
}

local function mode_fault(body, slug)
  if not (body.mode == "live" or body.mode == "shadow" or body.mode == "canary") then
    return ("unknown mode %s%s"):format(body.mode, suggest.hint(body.mode, modes))
  elseif body.mode == "canary" and not (body.percent and body.percent >= 1 and body.percent <= 100) then
    return "a canary needs percent, a whole number from 1 to 100"
  elseif body.mode ~= "canary" and body.percent then
    return "percent is for mode canary"
  elseif body.mode ~= "live" and not running(slug) then
    return "this agency runs no rules that a candidate could be tried beside; publish these live"
  end
end

rules.publish = of_agency(function(request, parameters)
  local slug = parameters.slug
  local body, answer = read_fields(request, put_fields)
  if not body then
    return answer
  elseif not body.source then
    return bad(request, "source is needed: the text of rules.lua")
  end
  body.mode = body.mode or "live"
  local fault = mode_fault(body, slug)
  if fault then
    return bad(request, fault)
  end
  local limit = config.get "BASCULE_RULES_LIMIT_BYTES"
  if #body.source > limit then
    return respond.error(request, 413, "too_large", ("source must be at most %d bytes"):format(limit))
  end
  local ok, refusal = scripts.check(slug, body.source)
  if not ok then
    return refuse_rules(request, refusal)
  end
  return publish(request, {
    agency = slug,
    source = body.source,
    hash = ok,
    origin = "published",
    mode = body.mode,
    percent = body.percent,
    by = body.by or "admin",
    note = body.note,
    expected_version = body.expected_version,
  }, 200)
end)

return rules
