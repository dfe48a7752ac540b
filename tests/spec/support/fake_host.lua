-- The host for specs of the trusted Lua under plain Lua: every module of lua/meta/host.lua, in memory.
--
--   local host = require("support.fake_host").new()   -- new fakes; bascule.* is loaded afresh on them
--   host.config.GHL_CLIENT_ID = "app1-x"              -- settings
--   host.answer { status = 200, body = "{}" }         -- the next answer of http.request, in order; or
--   host.on_request = function(request) ... end       -- decides each answer: a table, or nil, text, name, sent
--   host.requests, host.logs, host.metrics, host.gates, host.data (the store's), host.faults (the store's)
--   host.clock.now                                    -- wall time; time.sleep moves it
--   host.together(f, g, ...)                          -- runs functions as coroutines that wait for each other
local fake_json = require "support.fake_json"
local fake_phone = require "support.fake_phone"
local fake_store = require "support.fake_store"
local fake_zone = require "support.fake_zone"

local fake_host = {}

local defaults <const> = {
  BASCULE_ADMIN_TOKEN = "admin-token",
  BASCULE_BASE_URL = "https://bridge.example",
  BASCULE_INSTALL_STATE_POLICY = "accept",
  BASCULE_RULE_DEFER_DAYS = 366,
  BASCULE_RULE_MESSAGE_BYTES = 65536,
  BASCULE_UNKNOWN_OUTCOME = "resend",
  CAST_API_BASE = "https://cast.example",
  CAST_API_KEY = "cast_default_key",
  CAST_MESSAGE_LIMIT = 450,
  CAST_NUMBER_FORMAT = "national",
  CAST_PATH_PREFIX = "/api/v1",
  BASCULE_RULES_LIMIT_BYTES = 262144,
  GHL_API_BASE = "https://ghl.example",
  GHL_AUTHORIZE_URL = "https://market.example/v2/oauth/chooselocation",
  GHL_CLIENT_ID = "app1-suffix",
  GHL_CLIENT_SECRET = "client-secret",
  GHL_SCOPES = "contacts.readonly conversations/message.write",
}

local function unescape(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

local function new_http(host)
  local http = {}

  function http.escape(text)
    return (text:gsub("[^%w%-._~]", function(character)
      return ("%%%02X"):format(character:byte())
    end))
  end

  function http.form(fields)
    local names, parts = {}, {}
    for name in pairs(fields) do
      names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
      parts[#parts + 1] = http.escape(name) .. "=" .. http.escape(tostring(fields[name]))
    end
    return table.concat(parts, "&")
  end

  function http.parse_form(text)
    local fields = {}
    for pair in text:gmatch "[^&]+" do
      local name, value = pair:match "^([^=]*)=?(.*)$"
      fields[unescape(name)] = unescape(value)
    end
    return fields
  end

  function http.request(request)
    host.requests[#host.requests + 1] = request
    if host.is_together then
      coroutine.yield()
    end
    local answer, text, name, sent
    if host.on_request then
      answer, text, name, sent = host.on_request(request)
    else
      answer = table.remove(host.answers, 1) or error("no answer is left for " .. request.url)
    end
    if answer and answer.error then
      return nil, answer.name .. ": " .. answer.error, answer.name, answer.sent
    elseif not answer then
      return nil, text, name, sent
    end
    return { status = answer.status, headers = answer.headers or {}, body = answer.body or "", elapsed_ms = 1 }
  end
  return http
end

local function new_crypto()
  local crypto, tokens = {}, 0
  function crypto.token()
    tokens = tokens + 1
    return "token" .. tokens
  end
  function crypto.equal(a, b)
    return a == b
  end
  function crypto.sha256(data)
    local hash = 5381
    for index = 1, #data do
      hash = (hash * 33 + data:byte(index)) & 0xffffffff
    end
    return ("%08x"):format(hash):rep(8)
  end
  function crypto.stamp(text)
    return text .. ".mac"
  end
  function crypto.unstamp(stamped)
    return stamped:match "^([^.]*)%.mac$"
  end
  -- "good" is the one signature that is genuine.
  function crypto.verify_webhook(_, ...)
    local name = "MISSING"
    for index = 1, select("#", ...) do
      local signature = select(index, ...)
      if signature == "good" then
        return "Ed25519 5a2c1b27"
      elseif signature and signature ~= "" then
        name = "WRONG"
      end
    end
    return nil, name .. ": no", name
  end
  return crypto
end

local function new_time(host)
  local time = {}
  function time.now_ms()
    return host.clock.now
  end
  function time.monotonic_ms()
    return host.clock.now
  end
  function time.sleep(ms)
    host.clock.now = host.clock.now + ms
    if host.is_together then
      coroutine.yield()
    end
  end
  function time.iso(ms)
    return os.date("!%Y-%m-%dT%H:%M:%S", ms // 1000) .. (".%03dZ"):format(ms % 1000)
  end
  function time.parse_iso(text)
    local year, month, day, hour, minute, second = text:match "^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)"
    if not year then
      return nil
    end
    local fields = { year = year, month = month, day = day, hour = hour, min = minute, sec = second }
    local noon = os.time { year = 2000, month = 1, day = 1, hour = 12 }
    local zone = os.difftime(noon, os.time(os.date("!*t", noon)))
    return math.floor(os.time(fields) + zone) * 1000
  end
  return time
end

local function new_log(host)
  local log = {}
  for _, level in ipairs { "debug", "info", "warn", "error" } do
    log[level] = function(event, fields)
      for name, value in pairs(fields or {}) do
        assert(type(value) ~= "table", "log field " .. name)
      end
      host.logs[#host.logs + 1] = { level = level, event = event, fields = fields or {} }
    end
  end
  return log
end

local function new_cache(host)
  local entries = {}
  return {
    get = function(key)
      local entry = entries[key]
      return entry and entry.until_ms > host.clock.now and entry.value or nil
    end,
    put = function(key, value, ttl_ms)
      entries[key] = value ~= nil and { value = value, until_ms = host.clock.now + ttl_ms } or nil
    end,
  }
end

-- Gates are open unless host.closed[key] says for how long not; what is reported is kept by key.
local function new_gate(host)
  return {
    enter = function(key)
      local wait_ms = host.closed[key]
      if wait_ms then
        return false, wait_ms
      end
      host.gates[key] = host.gates[key] or {}
      table.insert(host.gates[key], "entered")
      return true
    end,
    leave = function(key, outcome, pause_ms)
      table.insert(host.gates[key], pause_ms and outcome .. " " .. pause_ms or outcome)
    end,
  }
end

local function new_modules(host)
  local store, data, faults = fake_store.new(host.clock)
  host.data, host.faults = data, faults
  return {
    cache = new_cache(host),
    config = {
      get = function(name)
        return host.config[name]
      end,
      version = function()
        return "0.1.0"
      end,
    },
    crypto = new_crypto(),
    gate = new_gate(host),
    http = new_http(host),
    json = fake_json,
    log = new_log(host),
    metrics = {
      add = function(name, label)
        local key = label and name .. "{" .. label .. "}" or name
        host.metrics[key] = (host.metrics[key] or 0) + 1
      end,
      text = function()
        return "# TYPE bascule_test counter\n"
      end,
    },
    phone = fake_phone,
    zone = fake_zone,
    -- Who calls the library wrongly learns it from the host's own; here it only gives options back.
    arguments = {
      options = function(_, options)
        return options or {}
      end,
    },
    queue = {
      accepts = function()
        return host.accepts
      end,
      wake = function(location)
        host.woken[#host.woken + 1] = location
      end,
    },
    rules = {
      outbound = function(...)
        return host.rule(...)
      end,
      report = function(...)
        return host.report_rule(...)
      end,
      needs = function()
        return host.needs
      end,
    },
    scripts = {
      agencies = function()
        return host.running(store)
      end,
      check = function(slug, source)
        return host.check(slug, source)
      end,
      describe = function()
        local fault = { at = "then", message = "line 3", excerpt = "> 3 | x" }
        return {
          current = { id = "g1" },
          last_error = fault,
          files = fake_json.array { { path = "acme/rules.lua", last_error = fault } },
        }
      end,
      generation = function()
        return "g1"
      end,
      reload = function()
        return table.unpack(host.reload)
      end,
      rollback = function(id)
        host.rolled_back = id or "the one before"
        return true
      end,
    },
    store = store,
    time = new_time(host),
  }
end

-- What a process runs that has just read its store.
local function running_of(store)
  local by_slug, list = {}, {}
  for _, version in ipairs(store.rules_current()) do
    local agency = by_slug[version.agency] or { slug = version.agency }
    by_slug[version.agency] = agency
    if version.mode == "live" then
      agency.version, agency.hash = version.version, version.hash
      list[#list + 1] = agency
    else
      agency.candidate = { version = version.version, mode = version.mode }
    end
  end
  return list
end

local function load_afresh(modules)
  for name in pairs(package.loaded) do
    if (name:find "^bascule%." and not name:find "^bascule%.testing") or name:find "^host%." then
      package.loaded[name] = nil
    end
  end
  for name, module in pairs(modules) do
    package.loaded["host." .. name] = module
  end
end

-- Runs functions as coroutines in turn until all have ended; returns their results, packed.
local function together(host, ...)
  local threads, results = {}, {}
  for index, call in ipairs { ... } do
    threads[index] = coroutine.create(call)
  end
  host.is_together = true
  local alive = #threads
  while alive > 0 do
    for index, thread in ipairs(threads) do
      if coroutine.status(thread) == "suspended" then
        local packed = table.pack(coroutine.resume(thread))
        assert(packed[1], packed[2])
        if coroutine.status(thread) == "dead" then
          results[index], alive = table.pack(table.unpack(packed, 2, packed.n)), alive - 1
        end
      end
    end
  end
  host.is_together = false
  return results
end

--- A request as the host hands it to a handler.
---@param method string
---@param target string path, perhaps with a query
---@param options? {body?: string, headers?: table<string,string>}
function fake_host.request(method, target, options)
  local path, query = target:match "^([^?]*)%??(.*)$"
  local request = {
    method = method,
    path = path,
    query = query,
    scheme = "https",
    authority = "seen.example",
    peer = "192.0.2.1",
    body = options and options.body or "",
    id = "r1",
  }
  local headers = options and options.headers or {}
  function request.header(_, name)
    return headers[name]
  end
  return request
end

function fake_host.new()
  local host = {
    clock = { now = 1767323045000 },
    config = {},
    answers = {},
    requests = {},
    logs = {},
    metrics = {},
    gates = {},
    closed = {},
    woken = {},
    reload = { true },
    accepts = true,
  }
  for name, value in pairs(defaults) do
    host.config[name] = value
  end
  function host.rule(_, _, message)
    return { action = "send", message = message, agency = "default", generation = "g1" }
  end
  function host.report_rule(_, _, report)
    return { action = "send", message = report, agency = "default", generation = "g1" }
  end
  host.needs = { agency = "default", contact = false, report = false, memory = {} }
  function host.answer(answer)
    host.answers[#host.answers + 1] = answer
  end
  function host.together(...)
    return together(host, ...)
  end
  function host.logged(pattern)
    for _, line in ipairs(host.logs) do
      if line.event:find(pattern) then
        return line
      end
    end
  end
  host.running = running_of
  -- Every text is good, and its hash is itself, unless a spec says otherwise.
  function host.check(_, source)
    return source
  end
  load_afresh(new_modules(host))
  --- Serves a request through the router; the body is decoded where it is JSON.
  function host.call(method, target, options)
    local answer = require("bascule.server").handle(fake_host.request(method, target, options))
    local json = answer.headers["content-type"] == "application/json" and fake_json.decode(answer.body) or nil
    return { status = answer.status, headers = answer.headers, body = answer.body, json = json }
  end
  return host
end

return fake_host
