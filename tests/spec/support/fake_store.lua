-- host.store for specs: in memory, with the promises that the Lua relies on (deduplication, versions, refresh leases,
-- states taken once). `faults[name] = {error, NAME}` makes a call fail until it is cleared.
local fake_versions = require "support.fake_versions"

local fake_store = {}

local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local result = {}
  for key, member in pairs(value) do
    result[key] = copy(member)
  end
  return setmetatable(result, getmetatable(value))
end

local function failed(name)
  return nil, name .. ": as the spec wants it", name
end

local function add_messages(store, data, clock)
  function store.message_accept(message)
    local key = message.direction .. "/" .. message.location .. "/" .. message.external_id
    if data.by_external[key] then
      return data.by_external[key], true
    end
    local id = ("m%013d"):format(#data.messages + 1)
    data.by_external[key] = id
    local kept = copy(message)
    kept.id, kept.state, kept.created_ms = id, "queued", clock.now
    kept.events = { { at_ms = clock.now, kind = "received", data = message.received } }
    data.messages[#data.messages + 1] = kept
    data.messages[id] = kept
    return id, false
  end

  function store.message_get(id)
    local message = data.messages[id]
    if type(id) ~= "string" or not message then
      return failed "NOT_FOUND"
    end
    return copy(message)
  end

  function store.message_list(filter)
    data.filter = filter
    local list = {}
    for index = #data.messages, 1, -1 do
      list[#list + 1] = copy(data.messages[index])
    end
    return list, nil
  end

  function store.message_replay(id)
    local message = data.messages[id]
    if not message then
      return failed "NOT_FOUND"
    elseif message.state ~= "dead" and message.state ~= "rejected" then
      return failed "CONFLICT"
    end
    message.state = "queued"
    return true
  end

  function store.attempt_begin(attempt)
    data.attempts[#data.attempts + 1] = copy(attempt)
    return true
  end

  -- Entries by "scope name key"; what is asked for is recorded.
  function store.memory_read(message_id, keys)
    local remembered = {}
    data.memory_read = { message_id = message_id, keys = copy(keys) }
    for i, key in ipairs(keys) do
      local entry = data.memory[("%s %s %s"):format(key.scope, key.name, key.key)] or {}
      remembered[i] = { count = entry.count or 0, value = entry.value }
    end
    return remembered
  end

  function store.memory_apply(message_id, effects)
    data.memory_applied = { message_id = message_id, effects = copy(effects) }
    return true
  end
end

local function add_installations(store, data, clock)
  local function find(company, location)
    location = location or ""
    for _, installation in ipairs(data.installations) do
      local same_company = company == nil or installation.company == company
      if same_company and installation.location == location then
        return installation
      end
    end
  end

  local function flight(key)
    local installation = find(key.company, key.location)
    if not installation or not installation.lease or installation.lease.owner ~= key.owner then
      return nil
    end
    return installation
  end

  function store.installation_put(installation)
    local known = find(installation.company, installation.location)
    local kept = copy(installation)
    kept.version, kept.lease = (known and known.version or 0) + 1, nil
    if known then
      for index, entry in ipairs(data.installations) do
        data.installations[index] = entry == known and kept or entry
      end
    else
      data.installations[#data.installations + 1] = kept
    end
    return true
  end

  function store.installation_get(company, location)
    local installation = find(company, location)
    if not installation then
      return failed "NOT_FOUND"
    end
    return copy(installation)
  end

  local function without_tokens(list)
    for _, installation in ipairs(list) do
      installation.access_token, installation.refresh_token = nil, nil
    end
    return list
  end

  function store.installation_list(company)
    local list = {}
    for _, installation in ipairs(data.installations) do
      if company == nil or installation.company == company then
        list[#list + 1] = copy(installation)
      end
    end
    return without_tokens(list)
  end

  function store.installation_expiring(before_ms, limit)
    local list = {}
    for _, installation in ipairs(data.installations) do
      local due = installation.status == "connected" and installation.refresh_token
      if due and installation.expires_ms < before_ms and #list < limit then
        list[#list + 1] = copy(installation)
      end
    end
    return without_tokens(list)
  end

  function store.refresh_begin(key)
    local installation = find(key.company, key.location)
    if not installation then
      return failed "NOT_FOUND"
    elseif installation.version ~= key.version then
      return failed "CONFLICT"
    elseif installation.lease and installation.lease.until_ms > clock.now then
      return failed "CONFLICT"
    end
    installation.lease = { owner = key.owner, until_ms = clock.now + key.lease_ms }
    return true
  end

  function store.refresh_done(tokens)
    local installation = flight(tokens)
    if not installation then
      return failed "CONFLICT"
    end
    installation.access_token, installation.expires_ms = tokens.access_token, tokens.expires_ms
    installation.refresh_token = tokens.refresh_token or installation.refresh_token
    installation.status, installation.reason = "connected", nil
    installation.version, installation.lease = installation.version + 1, nil
    return true
  end

  function store.refresh_failed(failure)
    local installation = flight(failure)
    if not installation then
      return failed "CONFLICT"
    end
    installation.lease = nil
    installation.status = failure.invalid and "invalid" or installation.status
    installation.reason = failure.invalid and failure.reason or installation.reason
    return true
  end

  function store.installation_set_status(change)
    local installation = find(change.company, change.location)
    if not installation then
      return failed "NOT_FOUND"
    end
    installation.status, installation.reason = change.status, change.reason
    return true
  end
end

local function add_rest(store, data, clock)
  function store.state_put(state, kept, ttl_ms)
    data.states[state] = { kept = copy(kept), until_ms = clock.now + ttl_ms }
    return true
  end

  function store.state_take(state)
    local entry = data.states[state]
    data.states[state] = nil
    if not entry or entry.until_ms < clock.now then
      return failed "NOT_FOUND"
    end
    return entry.kept
  end

  function store.setting_put(scope, name, value, secret)
    data.settings[scope] = data.settings[scope] or { values = {}, secrets = {} }
    data.settings[scope].values[name] = value
    data.settings[scope].secrets[name] = value and secret or nil
    return true
  end

  function store.settings(scope)
    local kept = data.settings[scope] or { values = {}, secrets = {} }
    return copy(kept.values), copy(kept.secrets)
  end

  function store.probe()
    return true
  end
end

---@return table store, table data, table faults
function fake_store.new(clock)
  local calls, faults = {}, {}
  local data = {
    messages = {}, by_external = {}, attempts = {}, memory = {}, installations = {}, states = {}, settings = {},
  }
  add_messages(calls, data, clock)
  add_installations(calls, data, clock)
  add_rest(calls, data, clock)
  fake_versions.add(calls, data, clock)
  local store = {}
  for name, call in pairs(calls) do
    store[name] = function(...)
      if faults[name] then
        return failed(faults[name])
      end
      return call(...)
    end
  end
  return store, data, faults
end

return fake_store
