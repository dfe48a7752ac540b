-- What the handlers of /admin/v1/agencies/:slug share: reading requests, and finding what an agency runs.
local http = require "host.http"
local scripts = require "host.scripts"
local store = require "host.store"

local failure = require "bascule.failure"
local operator = require "bascule.handlers.operator"
local respond = require "bascule.respond"
local suggest = require "bascule.suggest"

local agency = {
  versions_most = 500, -- of one look into the history
  no_agency = "No rules of this agency are known here.",
  no_version = "This agency has no such version.",
}

local bad, guarded, read_body, store_answer =
  operator.bad, operator.guarded, operator.read_body, operator.store_answer

local longest_slug <const> = 64
local longest_note <const> = 500 -- bytes, of notes, names and reasons

-- ---- reading requests

-- As the name of a folder that means nothing else: also "default" is taken, by the rule of those who have none.
local function is_slug(slug)
  return #slug <= longest_slug and slug:find "^[a-z0-9][a-z0-9_-]*$" ~= nil and slug ~= "default"
end

-- A handler of one agency.
function agency.of_agency(handler)
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
      return ("unknown field '%s'%s"):format(name, suggest.hint(name, names))
    elseif kind == "integer" and math.type(value) ~= "integer" then
      return name .. " must be a whole number"
    elseif kind ~= "integer" and type(value) ~= "string" then
      return name .. " must be text"
    elseif kind == "note" and #value > longest_note then
      return ("%s must be at most %d bytes"):format(name, longest_note)
    end
  end
end

function agency.read_fields(request, kinds)
  local body, fault = read_body(request)
  fault = fault or fields_fault(body, kinds)
  if fault then
    return nil, bad(request, fault)
  end
  return body
end

-- The query's values, "" as nil; or nil and the answer that refuses it.
function agency.read_query(request, names)
  local query, why, code = http.parse_form(request.query)
  if not query then
    return nil, bad(request, failure.words(why, code))
  end
  for name, value in pairs(query) do
    if not names[name] then
      local known = {}
      for each in pairs(names) do
        known[#known + 1] = each
      end
      table.sort(known)
      return nil, bad(request, ("unknown parameter '%s'%s"):format(name, suggest.hint(name, known)))
    elseif value == "" then
      query[name] = nil
    end
  end
  return query
end

function agency.whole_number(text)
  return text:find "^%d+$" and math.tointeger(tonumber(text)) or nil
end

-- ---- what runs

-- The agency as the current generation has it, or nil.
function agency.running(slug)
  for _, found in ipairs(scripts.agencies()) do
    if found.slug == slug then
      return found
    end
  end
end

-- The published version that is live and the candidate; either may be nil.
---@return {live?: host.store.RulesVersion, candidate?: host.store.RulesVersion}? current, bascule.Answer? refusal
function agency.current_of(request, slug)
  local list, why, name = store.rules_current()
  if not list then
    return nil, store_answer(request, why, name)
  end
  local found = {}
  for _, version in ipairs(list) do
    if version.agency == slug then
      found[version.mode == "live" and "live" or "candidate"] = version
    end
  end
  return found
end

-- The version whose text an agency runs: what was published, else the newest of its file. Without its text.
function agency.live_of(request, slug)
  local current, refusal = agency.current_of(request, slug)
  if not current or current.live then
    return current and current.live, refusal
  end
  local list, why, name = store.rules_list(slug, nil, agency.versions_most)
  if not list then
    return nil, store_answer(request, why, name)
  end
  for _, version in ipairs(list) do
    if version.origin == "file" and version.mode == "live" then
      return version
    end
  end
  return nil, respond.error(request, 404, "not_found", agency.no_agency)
end

function agency.get_version(request, slug, number)
  local version, why, name = store.rules_get(slug, number)
  if not version then
    return nil, store_answer(request, why, name, agency.no_version)
  end
  return version
end

-- One whose text is still there.
function agency.get_text(request, slug, number)
  local version, refusal = agency.get_version(request, slug, number)
  if version and not version.source then
    refusal = respond.error(request, 410, "forgotten", ("The text of version %d is no longer kept."):format(number))
    version = nil
  end
  return version, refusal
end

return agency
