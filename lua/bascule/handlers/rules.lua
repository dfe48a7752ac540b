-- /admin/v1/agencies: the rules that each agency runs, and the history of their versions.
local json = require "host.json"
local scripts = require "host.scripts"
local store = require "host.store"

local agency = require "bascule.handlers.agency"
local difference = require "bascule.difference"
local operator = require "bascule.handlers.operator"
local respond = require "bascule.respond"

local rules = {}

local bad, guarded, iso, store_answer = operator.bad, operator.guarded, operator.iso, operator.store_answer
local get_text, get_version, live_of = agency.get_text, agency.get_version, agency.live_of
local of_agency, read_query, whole_number = agency.of_agency, agency.read_query, agency.whole_number

local versions_default <const> = "50"
local versions_most <const> = agency.versions_most

-- ---- what runs

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
    changed_by = version.changed_by,
    changed_at = iso(version.changed_ms),
    reason = version.reason,
  }
end

rules.agencies = guarded(function()
  return respond.json(200, { agencies = scripts.agencies() })
end)

rules.agency = of_agency(function(request, parameters)
  local found = agency.running(parameters.slug)
  if not found then
    return respond.error(request, 404, "not_found", agency.no_agency)
  end
  return respond.json(200, found)
end)

-- ---- history

local function with_source(version)
  local shown = version_view(version)
  shown.agency, shown.source = version.agency, version.source or json.null
  return respond.json(200, shown)
end

rules.source = of_agency(function(request, parameters)
  local live, refusal = live_of(request, parameters.slug)
  if live and not live.source then
    live, refusal = get_version(request, parameters.slug, live.version)
  end
  return live and with_source(live) or refusal
end)

local version_filters <const> = { limit = true, before = true }

rules.versions = of_agency(function(request, parameters)
  local query, refusal = read_query(request, version_filters)
  if not query then
    return refusal
  end
  local limit = whole_number(query.limit or versions_default)
  local before = whole_number(query.before or "0")
  if not limit or limit < 1 or limit > versions_most then
    return bad(request, ("limit must be a whole number from 1 to %d"):format(versions_most))
  elseif not before then
    return bad(request, "before must be the number of a version")
  end
  local list, why, name = store.rules_list(parameters.slug, before, limit)
  if not list then
    return store_answer(request, why, name)
  end
  local shown = json.array {}
  for index, version in ipairs(list) do
    shown[index] = version_view(version)
  end
  return respond.json(200, { agency = parameters.slug, versions = shown })
end)

-- A handler of one version.
local function of_version(handler)
  return of_agency(function(request, parameters)
    local number = whole_number(parameters.version)
    if not number then
      return bad(request, "a version is a whole number")
    end
    return handler(request, parameters.slug, number)
  end)
end

rules.version = of_version(function(request, slug, number)
  local version, refusal = get_version(request, slug, number)
  return version and with_source(version) or refusal
end)

-- From which version to which: without `to`, from the one before.
local function read_ends(request, slug, number)
  local query, refusal = read_query(request, { to = true })
  if not query then
    return nil, nil, refusal
  elseif query.to then
    local to = whole_number(query.to)
    return to and number, to, not to and bad(request, "to must be the number of a version") or nil
  end
  local list, why, name = store.rules_list(slug, number, 1)
  if not list then
    return nil, nil, store_answer(request, why, name)
  elseif not list[1] then
    return nil, nil, respond.error(request, 404, "not_found", "There is no version before this one; name one by to.")
  end
  return list[1].version, number
end

rules.difference = of_version(function(request, slug, number)
  local from, to, refusal = read_ends(request, slug, number)
  if not from then
    return refusal
  end
  local old, new
  old, refusal = get_text(request, slug, from)
  if old then
    new, refusal = get_text(request, slug, to)
  end
  if not new then
    return refusal
  end
  local name = slug .. "/rules.lua@%d"
  local text = difference.unified(old.source, new.source, name:format(from), name:format(to))
  if (request:header "accept" or ""):find "^text/plain" then
    return respond.text(200, text)
  end
  return respond.json(200, { agency = slug, from = from, to = to, difference = text })
end)

return rules
