-- Publishing rules through /admin/v1/agencies/:slug. A text is checked, with its own tests, before it is stored; the
-- answer comes once this process runs it, and the other processes on the store follow by themselves.
local config = require "host.config"
local log = require "host.log"
local scripts = require "host.scripts"
local store = require "host.store"

local agency = require "bascule.handlers.agency"
local failure = require "bascule.failure"
local operator = require "bascule.handlers.operator"
local respond = require "bascule.respond"
local suggest = require "bascule.suggest"

local publishing = {}

local bad, store_answer = operator.bad, operator.store_answer
local current_of, get_text, live_of = agency.current_of, agency.get_text, agency.live_of
local of_agency, read_fields, running = agency.of_agency, agency.read_fields, agency.running

local modes <const> = { "live", "shadow", "canary" }

-- 422 with what a person needs to mend it: the place, and the lines around it.
local function refuse_rules(request, why, name, place)
  if name ~= "REFUSED" then
    return operator.refused(request, why, name)
  end
  return respond.json(422, {
    error = {
      code = "refused",
      message = failure.words(why, name),
      file = place.file,
      line = place.line,
      excerpt = place.excerpt,
      request_id = request.id,
    },
  })
end

-- The answer once this process runs what the store has now. A reload also says no where another agency's file is
-- broken, which is not the concern of this one.
local function take(request, slug, version)
  scripts.reload()
  local found = running(slug)
  local candidate = found and found.candidate
  if not (found and found.version == version.version or candidate and candidate.version == version.version) then
    local fault = found and found.fault or "The rules are in the store, but this process does not run them."
    return respond.error(request, 500, "not_running", fault)
  end
  return respond.json(200, {
    agency = slug,
    version = version.version,
    hash = version.hash,
    mode = version.mode,
    percent = version.percent,
    generation = scripts.describe().current.id,
  })
end

local moved <const> = "Others changed the rules of this agency meanwhile; look at them first."

local function refuse_change(request, why, name)
  if name == "CONFLICT" then
    return respond.error(request, 409, "conflict", moved)
  end
  return store_answer(request, why, name, agency.no_version)
end

-- Checks a text, stores it, and takes it.
local function publish(request, new)
  local hash, why, name, place = scripts.check(new.agency, new.source)
  if not hash then
    return refuse_rules(request, why, name, place)
  end
  new.hash, new.by = hash, new.by or "admin"
  local version
  version, why, name = store.rules_add(new)
  if not version then
    return refuse_change(request, why, name)
  end
  log.info("rules published", { agency = new.agency, version = version, mode = new.mode, by = new.by })
  return take(request, new.agency, { version = version, hash = hash, mode = new.mode, percent = new.percent })
end

local put_fields <const> = {
  source = "text", note = "note", mode = "text", percent = "integer", by = "note", expected_version = "integer",
}

local function mode_fault(body, slug)
  if not (body.mode == "live" or body.mode == "shadow" or body.mode == "canary") then
    return ("unknown mode '%s'%s"):format(body.mode, suggest.hint(body.mode, modes))
  elseif body.mode == "canary" and not (body.percent and body.percent >= 1 and body.percent <= 100) then
    return "a canary needs percent, a whole number from 1 to 100"
  elseif body.mode ~= "canary" and body.percent then
    return "percent is for mode canary"
  elseif body.mode ~= "live" and not running(slug) then
    return "this agency runs no rules that a candidate could be tried beside; publish these live"
  end
end

publishing.publish = of_agency(function(request, parameters)
  local slug, limit = parameters.slug, config.get "BASCULE_RULES_LIMIT_BYTES"
  local body, refusal = read_fields(request, put_fields)
  if not body then
    return refusal
  elseif not body.source then
    return bad(request, "source is needed: the text of rules.lua")
  elseif #body.source > limit then
    return respond.error(request, 413, "too_large", ("source must be at most %d bytes"):format(limit))
  end
  body.agency, body.mode = slug, body.mode or "live"
  local fault = mode_fault(body, slug)
  if fault then
    return bad(request, fault)
  end
  return publish(request, body)
end)

-- The newest version before what runs that ran itself.
local function version_before(request, slug)
  local live, refusal = live_of(request, slug)
  if not live then
    return nil, refusal
  end
  local list, why, name = store.rules_list(slug, live.version, agency.versions_most)
  if not list then
    return nil, store_answer(request, why, name)
  end
  for _, version in ipairs(list) do
    if (version.mode == "superseded" or version.mode == "live") and version.hash ~= live.hash then
      return version.version
    end
  end
  return nil, respond.error(request, 409, "conflict", "There is no version before what runs.")
end

--- Publishes the text of an earlier version once more.
publishing.rollback = of_agency(function(request, parameters)
  local slug = parameters.slug
  local body, refusal = read_fields(request, { version = "integer", by = "note" })
  if not body then
    return refusal
  end
  local number = body.version
  if not number then
    number, refusal = version_before(request, slug)
  end
  local version
  if number then
    version, refusal = get_text(request, slug, number)
  end
  if not version then
    return refusal
  end
  local note = ("rollback to %d"):format(number)
  return publish(request, { agency = slug, source = version.source, mode = "live", note = note, by = body.by })
end)

-- ---- candidates, and taking back

-- The agency's candidate with what the body says; or nil and the answer.
local function read_candidate(request, slug, kinds)
  local body, refusal = read_fields(request, kinds)
  if not body then
    return nil, nil, refusal
  end
  local current
  current, refusal = current_of(request, slug)
  if not current then
    return nil, nil, refusal
  elseif not current.candidate then
    return nil, nil, respond.error(request, 409, "conflict", "This agency has no candidate.")
  end
  return current.candidate, body
end

local function set_mode(version, mode, body, reason)
  local done, why, name = store.rules_set_mode {
    agency = version.agency,
    version = version.version,
    expected = version.mode,
    mode = mode,
    reason = reason,
    by = body.by or "admin",
  }
  if done then
    log.info("rules changed", { agency = version.agency, version = version.version, mode = mode })
  end
  return done, why, name
end

publishing.promote = of_agency(function(request, parameters)
  local slug = parameters.slug
  local candidate, body, refusal = read_candidate(request, slug, { by = "note" })
  if not candidate then
    return refusal
  end
  local hash, why, name, place = scripts.check(slug, candidate.source)
  if not hash then
    return refuse_rules(request, why, name, place)
  end
  local done
  done, why, name = set_mode(candidate, "live", body)
  if not done then
    return refuse_change(request, why, name)
  end
  return take(request, slug, { version = candidate.version, hash = hash, mode = "live" })
end)

local function withdrawn(version)
  scripts.reload()
  return respond.json(200, {
    agency = version.agency,
    version = version.version,
    mode = "withdrawn",
    generation = scripts.describe().current.id,
  })
end

local reason_fields <const> = { by = "note", reason = "note" }

publishing.withdraw = of_agency(function(request, parameters)
  local candidate, body, refusal = read_candidate(request, parameters.slug, reason_fields)
  if not candidate then
    return refusal
  end
  local done, why, name = set_mode(candidate, "withdrawn", body, body.reason)
  if not done then
    return refuse_change(request, why, name)
  end
  return withdrawn(candidate)
end)

--- The file runs again, or the default rule; a candidate ends with what it was tried beside.
publishing.unpublish = of_agency(function(request, parameters)
  local body, refusal = read_fields(request, reason_fields)
  local current
  if body then
    current, refusal = current_of(request, parameters.slug)
  end
  if not current then
    return refusal
  elseif not current.live then
    return respond.error(request, 404, "not_found", "No rules of this agency are published.")
  end
  for _, version in ipairs { current.live, current.candidate } do
    local done, why, name = set_mode(version, "withdrawn", body, body.reason or "unpublished")
    if not done then
      return refuse_change(request, why, name)
    end
  end
  return withdrawn(current.live)
end)

return publishing
