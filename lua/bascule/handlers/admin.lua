-- /admin/v1: what an operator sees and does. Closed without BASCULE_ADMIN_TOKEN; open to whoever bears it.
local http = require "host.http"
local json = require "host.json"
local log = require "host.log"
local scripts = require "host.scripts"
local store = require "host.store"
local time = require "host.time"

local client = require "bascule.ghl.client"
local failure = require "bascule.failure"
local location_settings = require "bascule.settings"
local operator = require "bascule.handlers.operator"
local queue = require "host.queue"
local respond = require "bascule.respond"
local suggest = require "bascule.suggest"
local tokens = require "bascule.ghl.tokens"

local admin = {}

local bad, guarded, iso = operator.bad, operator.guarded, operator.iso
local read_body, refused, store_answer = operator.read_body, operator.refused, operator.store_answer

local page_default <const> = 50
local page_most <const> = 500

local states <const> = { "queued", "sending", "deferred", "sent", "delivered", "undelivered", "rejected", "dead" }
local message_filters <const> = { "status", "location", "q", "limit", "cursor" }

local no_message <const> = "No message has this id."
local no_installation <const> = "No installation of the app is known here."

local function contains(list, value)
  for _, entry in ipairs(list) do
    if entry == value then
      return true
    end
  end
  return false
end

-- ---- messages

local function view(message)
  return {
    id = message.id,
    external_id = message.external_id,
    location = message.location,
    company = message.company,
    conversation = message.conversation,
    direction = message.direction,
    status = message.state,
    reason = message.reason,
    provider = message.provider,
    provider_message_id = message.provider_message_id,
    attempts = message.attempts,
    outcome_unknown = message.outcome_unknown,
    report_status = message.report_status,
    sent = message.sent,
    created_at = iso(message.created_ms),
    updated_at = iso(message.updated_ms),
    due_at = iso(message.due_ms),
  }
end

local function event_view(event)
  local shown = {}
  for name, value in pairs(event.data or {}) do
    shown[name] = value
  end
  shown.at, shown.kind = time.iso(event.at_ms), event.kind
  return shown
end

local function detail(message)
  local shown = view(message)
  shown.payload = json.decode(message.payload)
  shown.events = json.array {}
  for index, event in ipairs(message.events) do
    shown.events[index] = event_view(event)
  end
  return shown
end

-- The store's filter, or nil and what is wrong.
local function read_filter(query)
  for name in pairs(query) do
    if not contains(message_filters, name) then
      return nil, ("unknown parameter '%s'%s"):format(name, suggest.hint(name, message_filters))
    end
  end
  local function given(name)
    return query[name] ~= "" and query[name] or nil
  end
  local state, limit = given "status", math.tointeger(tonumber(given "limit" or page_default))
  if state and not contains(states, state) then
    return nil, ("unknown status '%s'%s"):format(state, suggest.hint(state, states))
  elseif not limit or limit < 1 or limit > page_most then
    return nil, ("limit must be a whole number from 1 to %d"):format(page_most)
  end
  return { state = state, location = given "location", query = given "q", cursor = given "cursor", limit = limit }
end

admin.messages = guarded(function(request)
  local query, why, name = http.parse_form(request.query)
  if not query then
    return bad(request, failure.words(why, name))
  end
  local filter, fault = read_filter(query)
  if not filter then
    return bad(request, fault)
  end
  local messages, next_cursor, code = store.message_list(filter)
  if not messages and code == "NOT_FOUND" then
    return bad(request, "cursor is none that a list gave")
  elseif not messages then
    return store_answer(request, next_cursor, code)
  end
  local shown = json.array {}
  for index, message in ipairs(messages) do
    shown[index] = view(message)
  end
  return respond.json(200, { messages = shown, next = next_cursor ~= "" and next_cursor or json.null })
end)

admin.message = guarded(function(request, parameters)
  local message, why, name = store.message_get(parameters.id)
  if not message then
    return store_answer(request, why, name, no_message)
  end
  return respond.json(200, detail(message))
end)

admin.replay = guarded(function(request, parameters)
  local ok, why, name = store.message_replay(parameters.id, { by = "admin", request_id = request.id })
  if name == "CONFLICT" then
    return respond.error(request, 409, "conflict", "Only a dead or rejected message can be replayed.")
  elseif not ok then
    return store_answer(request, why, name, no_message)
  end
  local message = store.message_get(parameters.id)
  if message then
    queue.wake(message.location)
  end
  log.info("message replayed", { message = parameters.id })
  return respond.json(202, { status = "queued", id = parameters.id })
end)

-- ---- scripts

local function current_generation()
  return scripts.describe().current.id
end

-- The host's description, with the current id and each file's fault where a reader looks for them first.
admin.scripts = guarded(function()
  local shown = scripts.describe()
  shown.generation = shown.current.id
  for _, file in ipairs(shown.files) do
    if type(file.last_error) == "table" then
      local fault = file.last_error
      file.last_error, file.last_error_at, file.last_error_excerpt = fault.message, fault.at, fault.excerpt
    end
  end
  return respond.json(200, shown)
end)

-- With the lines around what was refused, where they are known.
local function reload_refused(request, why, name)
  local fault = name == "REFUSED" and scripts.describe().last_error
  if not fault or not fault.excerpt then
    return refused(request, why, name)
  end
  return respond.json(422, {
    error = {
      code = "refused",
      message = failure.words(why, name),
      excerpt = fault.excerpt,
      request_id = request.id,
    },
  })
end

admin.reload = guarded(function(request)
  local changed, why, name = scripts.reload()
  if changed == nil then
    return reload_refused(request, why, name)
  end
  local status = changed and "reloaded" or "unchanged"
  return respond.json(200, { status = status, generation = current_generation() })
end)

admin.rollback = guarded(function(request)
  local body, fault = read_body(request)
  if not body then
    return bad(request, fault)
  elseif body.id ~= nil and type(body.id) ~= "string" then
    return bad(request, "id must be text: a generation of /admin/v1/scripts")
  end
  local ok, why, name = scripts.rollback(body.id)
  if not ok then
    return refused(request, why, name)
  end
  log.info("scripts rolled back", { by = "admin" })
  return respond.json(200, { status = "rolled back", generation = current_generation() })
end)

-- ---- installations

local function installation_view(installation)
  return {
    company = installation.company,
    location = installation.location,
    name = installation.details and installation.details.name,
    status = installation.status,
    reason = installation.reason,
    expires_at = iso(installation.expires_ms),
    scopes = installation.scopes,
    user_type = installation.user_type,
    created_at = iso(installation.created_ms),
    refreshed_at = iso(installation.refreshed_ms),
  }
end

admin.installations = guarded(function(request)
  local list, why, name = store.installation_list()
  if not list then
    return store_answer(request, why, name)
  end
  local shown = json.array {}
  for index, installation in ipairs(list) do
    shown[index] = installation_view(installation)
  end
  return respond.json(200, { installations = shown })
end)

-- By the names of bascule.ghl.tokens and bascule.ghl.client.
local token_statuses <const> = { NOT_CONNECTED = 404, REMOVED = 409, INVALID = 409, BUSY = 503, CLOSED = 503 }

local function token_answer(request, token, reason, name)
  if not token then
    return respond.error(request, token_statuses[name] or 502, name:lower(), reason)
  end
  return respond.json(200, { status = "connected", company = token.company, location = token.location })
end

--- Whether GHL takes the location's token: asks for one conversation. A token that is about to end is refreshed first.
admin.test_location = guarded(function(request, parameters)
  local location = parameters.location
  local answer, fault = client.request {
    path = "/conversations/search",
    query = { locationId = location, limit = 1 },
    location = location,
    tries = 1,
  }
  if not answer then
    return token_answer(request, nil, fault.reason, fault.name)
  end
  return token_answer(request, { location = location })
end)

admin.refresh_location = guarded(function(request, parameters)
  return token_answer(request, tokens.refresh(nil, parameters.location))
end)

admin.refresh_company = guarded(function(request, parameters)
  return token_answer(request, tokens.refresh(parameters.company, ""))
end)

local function disconnect(request, company, location)
  local ok, why, name = store.installation_set_status {
    company = company,
    location = location,
    status = "removed",
    reason = "disconnected by the operator",
  }
  if not ok then
    return store_answer(request, why, name, no_installation)
  end
  tokens.forget(company, location)
  log.info("installation disconnected", { company = company, location = location })
  return respond.json(200, { status = "removed", company = company, location = location })
end

admin.disconnect_location = guarded(function(request, parameters)
  local installation, why, name = store.installation_get(nil, parameters.location)
  if not installation then
    return store_answer(request, why, name, no_installation)
  end
  return disconnect(request, installation.company, parameters.location)
end)

admin.disconnect_company = guarded(function(request, parameters)
  return disconnect(request, parameters.company, "")
end)

-- ---- settings

local function settings_answer(request, location)
  local values, reason, name = location_settings.of(location)
  if not values then
    return store_answer(request, reason, name)
  end
  return respond.json(200, { location = location, settings = location_settings.masked(values) })
end

admin.settings = guarded(function(request, parameters)
  return settings_answer(request, parameters.location)
end)

-- Sorted, so that the first fault is the same each time and a failure in the midst is no riddle.
local function sorted_names(body)
  local names = {}
  for name in pairs(body) do
    names[#names + 1] = tostring(name)
  end
  table.sort(names)
  return names
end

--- Sets what the body names and leaves the rest; null removes. Nothing is written where one of them is refused.
admin.put_settings = guarded(function(request, parameters)
  local body, fault = read_body(request)
  if not body then
    return bad(request, fault)
  end
  local names = sorted_names(body)
  if #names == 0 then
    return bad(request, "the body names no setting")
  end
  for _, name in ipairs(names) do
    fault = location_settings.fault(name, body[name])
    if fault then
      return bad(request, fault)
    end
  end
  for _, name in ipairs(names) do
    local ok, reason, code = location_settings.put(parameters.location, name, body[name])
    if not ok then
      return store_answer(request, reason, code)
    end
  end
  log.info("settings changed", { location = parameters.location, names = table.concat(names, " ") })
  return settings_answer(request, parameters.location)
end)

return admin
