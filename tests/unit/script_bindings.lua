-- Tests of the bindings, run by test_script_bindings.c as a trusted module: each function whose name begins with
-- "test_" in a coroutine of its own, over a fresh store, also with the collector at its most aggressive.
local cache = require "host.cache"
local config = require "host.config"
local crypto = require "host.crypto"
local http = require "host.http"
local json = require "host.json"
local log = require "host.log"
local metrics = require "host.metrics"
local phone = require "host.phone"
local store = require "host.store"
local time = require "host.time"

local tests = {}

local function equal(actual, expected, what)
  if actual ~= expected then
    error(("%s: got %s, not %s"):format(what or "value", tostring(actual), tostring(expected)), 2)
  end
end

local function same(actual, expected)
  equal(json.encode(actual), json.encode(expected))
end

local function fails(name, value, text, actual)
  equal(value, nil)
  equal(actual, name)
  equal(text:sub(1, #name + 2), name .. ": ")
end

local function raises(part, ...)
  local ok, message = pcall(...)
  equal(ok, false, "raises")
  if not message:find(part, 1, true) then
    error(("%q does not contain %q"):format(message, part), 2)
  end
end

function tests.test_json()
  same(json.decode '{"a":[],"b":null,"c":9007199254740993}', { a = json.array {}, b = json.null, c = 9007199254740993 })
  fails("INVALID", json.decode "{")
  fails("INVALID", json.encode { print })
  fails("INVALID", json.encode(0 / 0))
  raises("table expected", json.array, 1)
end

function tests.test_crypto()
  equal(#crypto.token(24), 32)
  equal(crypto.equal("abc", "abc"), true)
  equal(crypto.equal("abc", "abd"), false)
  equal(crypto.sha256 "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  equal(crypto.hmac_sha256("key", "The quick brown fox jumps over the lazy dog"),
    "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8")
  equal(crypto.base64 "\0\xff", "AP8=")
  equal(crypto.unbase64 "AP8=", "\0\xff")
  fails("INVALID", crypto.unbase64 "A")
  raises("must be 1 to 1024", crypto.token, 0)
end

function tests.test_stamps()
  local stamped = crypto.stamp "state-1"
  equal(crypto.unstamp(stamped), "state-1")
  equal(crypto.unstamp(stamped .. "x"), nil)
  raises('must not hold "."', crypto.stamp, "a.b")
end

function tests.test_webhook_signatures()
  local body = '{"type":"SMS"}'
  local signature = crypto.ed25519_sign(("s"):rep(32), body)
  equal(crypto.verify_webhook(body, nil, signature):sub(1, 8), "Ed25519 ")
  fails("WRONG", crypto.verify_webhook(body .. " ", signature))
  fails("MISSING", crypto.verify_webhook(body))
  fails("MISSING", crypto.verify_webhook(body, nil, "N/A"))
  fails("MALFORMED", crypto.verify_webhook(body, "!"))
  equal(crypto.ed25519_public_pem(("s"):rep(32)):sub(1, 26), "-----BEGIN PUBLIC KEY-----")
  raises("must be 32 bytes", crypto.ed25519_sign, "short", body)
end

function tests.test_time()
  equal(time.iso(0), "1970-01-01T00:00:00.000Z")
  equal(time.parse_iso "2026-01-02T03:04:05.678Z", 1767323045678)
  equal(time.parse_iso "yesterday", nil)
  equal(math.type(time.now_ms()), "integer")
  local before = time.monotonic_ms()
  time.sleep(20)
  local slept = time.monotonic_ms() - before
  equal(slept >= 19 and slept < 10000, true, "slept " .. slept .. " ms")
end

function tests.test_metrics_and_log()
  local function count()
    return tonumber(metrics.text():match 'test_total{kind="a"} (%d+)') or 0
  end
  local before = count()
  metrics.add("test_total", 'kind="a"', 2)
  metrics.add "test_other_total"
  equal(count(), before + 2)
  log.error("nothing_is_wrong", { text = "x", number = 1, float = 1.5, yes = true })
  log.debug "quiet"
  raises("must be a string, a number or a boolean, not a table", log.error, "event", { field = {} })
  raises("keys must be names", log.error, "event", { 1 })
end

function tests.test_phone()
  local number = phone.parse("0917 123 4567", "PH")
  equal(number.e164, "+639171234567")
  equal(number.national, "09171234567")
  equal(number.region, "PH")
  equal(number.valid, true)
  fails("INVALID", phone.parse "hello")
end

function tests.test_config()
  equal(config.get "BASCULE_RULE_MS", 500)
  equal(config.get "GHL_CLIENT_ID", nil)
  equal(config.version(), "1.2.3")
  equal(config.process_id(), "test")
  raises("unknown setting 'BASCULE_RULE_M'; did you mean 'BASCULE_RULE_MS'?", config.get, "BASCULE_RULE_M")
end

function tests.test_cache()
  cache.put("text", "a\0b", 60000)
  cache.put("integer", 1 << 62, 60000)
  cache.put("float", 0.5, 60000)
  cache.put("no", false, 60000)
  cache.put("short", 1, 10)
  equal(cache.get "text", "a\0b")
  equal(cache.get "integer", 1 << 62)
  equal(cache.get "float", 0.5)
  equal(cache.get "no", false)
  equal(cache.get "missing", nil)
  time.sleep(15)
  equal(cache.get "short", nil)
  cache.put("text", nil)
  equal(cache.get "text", nil)
  for i = 1, 20000 do
    cache.put("key" .. i, i, 60000)
  end
  equal(cache.get "key20000", 20000)
  raises("string, number, boolean or nil expected", cache.put, "table", {}, 1)
end

function tests.test_forms()
  equal(http.escape "a b/~é", "a%20b%2F~%C3%A9")
  equal(http.form { b = "x y", a = 1, c = "&=" }, "a=1&b=x%20y&c=%26%3D")
  equal(http.form {}, "")
  same(http.parse_form "a=1&b=x+y%21&a=2&c&=d&&e=", { a = "2", b = "x y!", c = "", [""] = "d", e = "" })
  fails("INVALID", http.parse_form "a=%4")
  fails("INVALID", http.parse_form "a%zz=1")
  raises("values strings or numbers", http.form, { a = {} })
end

function tests.test_http_faults()
  fails("INVALID", http.request { url = "ftp://example.com/" })
  fails("DENIED", http.request { url = "http://10.0.0.1/" })
  local _, _, name, sent = http.request { url = "http://127.0.0.1:1/" }
  equal(name, "CONNECT")
  equal(sent, false)
  raises("unknown option 'timeot_ms'; did you mean 'timeout_ms'?", http.request, { url = "http://a/", timeot_ms = 1 })
  raises("option 'url' is missing", http.request, {})
  raises("option 'timeout_ms' must be 0 to", http.request, { url = "http://a/", timeout_ms = -1 })
  raises("names and values must be strings", http.request, { url = "http://a/", headers = { 1, 2 } })
  raises("this call waits", coroutine.wrap(function()
    http.request { url = "http://127.0.0.1:1/" }
  end))
end

local function accept(external_id, more)
  local message = {
    direction = "outbound",
    location = "L1",
    external_id = external_id,
    conversation = "c1",
    payload = '{"body":"Kumusta ₱"}',
  }
  for key, value in pairs(more or {}) do
    message[key] = value
  end
  return store.message_accept(message)
end

function tests.test_accepting_a_message()
  local id, duplicate = accept("e1", { company = "C1", received = { request_id = "r", list = json.array {} } })
  equal(duplicate, false)
  local again, twice = accept "e1"
  equal(again, id)
  equal(twice, true)
  local message = store.message_get(id)
  equal(message.id, id)
  equal(message.state, "queued")
  equal(message.direction, "outbound")
  equal(message.company, "C1")
  equal(message.payload, '{"body":"Kumusta ₱"}')
  same(message.received, { request_id = "r", list = json.array {} })
  equal(message.events[1].kind, "received")
  equal(math.type(message.events[1].at_ms), "integer")
  equal(message.outcome_unknown, false)
  fails("NOT_FOUND", store.message_get "m0000000000000")
end

function tests.test_listing_messages()
  for i = 1, 5 do
    accept("e" .. i)
  end
  local page, next_page = store.message_list { location = "L1", limit = 3 }
  equal(#page, 3)
  equal(page[1].external_id, "e5")
  local rest, last = store.message_list { location = "L1", limit = 3, cursor = next_page }
  equal(#rest, 2)
  equal(last, nil)
  equal(#store.message_list { state = "queued", query = "e4" }, 1)
  equal(#store.message_list { state = "dead" }, 0)
  raises("no state is called 'asleep'", store.message_list, { state = "asleep" })
  raises("must be 1 to 500", store.message_list, { limit = 501 })
  equal(#store.message_list { since_ms = time.now_ms() - 60000, until_ms = time.now_ms() + 60000 }, 5)
  equal(#store.message_list { since_ms = time.now_ms() + 60000 }, 0)
  equal(#store.message_list { until_ms = time.now_ms() - 60000 }, 0)
end

function tests.test_wrong_messages()
  raises("option 'external_id' is missing", store.message_accept, { direction = "outbound", location = "L" })
  raises('must be "outbound" or "inbound"', store.message_accept, { direction = "sideways" })
  raises("unknown option 'locaton'; did you mean 'location'?", store.message_accept, { locaton = "L" })
  raises("option 'payload' must be a string, not table", accept, "e1", { payload = {} })
  raises("received: the value at .f is neither", accept, "e1", { received = { f = print } })
  fails("CONFLICT", store.message_replay(accept "e1", { by = "operator" }))
  fails("NOT_FOUND", store.message_replay "m0000000000000")
  fails("CONFLICT", store.attempt_begin { id = accept "e1", lease = 7, provider = "cast", sent = { to = "1" } })
end

local function entry(name, more)
  local effect = { scope = "L1", name = name, key = "contact:c1" }
  for key, value in pairs(more or {}) do
    effect[key] = value
  end
  return effect
end

function tests.test_memory()
  local soon = time.now_ms() + 60000
  local keys = { entry "today", entry "last", entry "list" }
  same(store.memory_read("m1", keys), { { count = 0 }, { count = 0 }, { count = 0 } })
  equal(store.memory_apply("m1", {
    entry("today", { op = "add", expires_ms = soon }),
    entry("last", { op = "set", value = "cast", expires_ms = soon }),
    entry("list", { op = "set", value = { 1, json.array {} }, first = true, expires_ms = soon }),
  }), true)
  local seen = store.memory_read("m2", keys)
  same(seen, { { count = 1 }, { count = 0, value = "cast" }, { count = 0, value = { 1, json.array {} } } })
  equal(math.type(seen[3].value[1]), "integer")
  same(store.memory_read("m1", keys), { { count = 0 }, { count = 0 }, { count = 0 } })
  fails("MEMORY", store.memory_apply("m2", { entry("today", { op = "add", most = 1, expires_ms = soon }) }))
  local first = entry("list", { op = "set", value = 1, first = true, expires_ms = soon })
  fails("MEMORY", store.memory_apply("m2", { first }))
  equal(store.memory_apply(nil, { entry("last", { op = "forget" }) }), true)
  same(store.memory_read(nil, { entry "last" }), { { count = 0 } })
end

function tests.test_wrong_memory()
  local function apply(effect)
    store.memory_apply("m1", { effect })
  end
  raises("unknown option 'nam'; did you mean 'name'?", store.memory_read, "m1", { { nam = "x" } })
  raises("option 'key' is missing", store.memory_read, "m1", { { scope = "L1", name = "x" } })
  raises("element 1 of a list must be a table, not string", store.memory_read, "m1", { "x" })
  raises("option 'op' must be", apply, entry("x", { op = "multiply" }))
  raises("option 'expires_ms' is missing", apply, entry("x", { op = "add" }))
  raises("option 'value' is missing", apply, entry("x", { op = "set", expires_ms = 1 }))
  raises("option 'by' must be at most", apply, entry("x", { op = "add", by = 1 << 40, expires_ms = 1 }))
  raises("at most 64 effects", store.memory_apply, "m1", setmetatable({}, { __len = function() return 65 end }))
  raises("did you mean 'expires_ms'?", store.attempt_begin,
    { id = "m1", lease = 7, provider = "cast", sent = {}, memory = { entry("x", { op = "add", expire_ms = 1 }) } })
end

local function rules_of(agency, mode, more)
  local rules = { agency = agency, source = "return {}", hash = "h-" .. mode, mode = mode, by = "ann" }
  for key, value in pairs(more or {}) do
    rules[key] = value
  end
  return rules
end

function tests.test_rules()
  equal(store.rules_revision(), 0)
  equal(store.rules_add(rules_of("acme", "live", { note = "first" })), 1)
  equal(store.rules_add(rules_of("acme", "canary", { percent = 5, source = "\0", expected_version = 1 })), 2)
  fails("CONFLICT", store.rules_add(rules_of("acme", "live", { expected_version = 1 })))
  equal(store.rules_revision(), 2)
  local current = store.rules_current()
  equal(#current, 2)
  equal(current[2].source, "\0")
  equal(current[2].percent, 5)
  local change = { agency = "acme", version = 2, expected = "canary", mode = "live", reason = "good", by = "bob" }
  equal(store.rules_set_mode(change), true)
  fails("CONFLICT", store.rules_set_mode(change))
  local list = store.rules_list "acme"
  equal(#list, 2)
  equal(list[1].mode, "live")
  equal(list[1].changed_by, "bob")
  equal(list[1].source, nil)
  equal(list[2].mode, "superseded")
  equal(list[2].note, "first")
  equal(#store.rules_list("acme", 2), 1)
  equal(store.rules_get("acme", 1).source, "return {}")
  fails("NOT_FOUND", store.rules_get("acme", 3))
end

function tests.test_rules_of_files()
  local rules = { agency = "acme", source = "return {}", hash = "h" }
  local version, duplicate = store.rules_record(rules)
  equal(version, 1)
  equal(duplicate, false)
  version, duplicate = store.rules_record(rules)
  equal(version, 1)
  equal(duplicate, true)
  equal(store.rules_get("acme", 1).origin, "file")
  equal(#store.rules_current(), 0)
end

function tests.test_wrong_rules()
  raises("option 'hash' is missing", store.rules_add, { agency = "acme" })
  raises("option 'mode': no mode is called 'asleep'", store.rules_add, rules_of("acme", "asleep"))
  raises("option 'mode' must be", store.rules_add, rules_of("acme", "withdrawn"))
  raises("option 'percent' must be 0 to 100", store.rules_add, rules_of("acme", "canary", { percent = 101 }))
  raises("did you mean 'expected'?", store.rules_set_mode, { expectd = "live" })
  raises("must be at most 4194304 bytes", store.rules_add, rules_of("a", "live", { source = (" "):rep(4194305) }))
end

local function installation(more)
  local record = {
    company = "C1",
    location = "L1",
    status = "connected",
    access_token = "access secret",
    refresh_token = "refresh secret",
    expires_ms = time.now_ms() + 1000,
    details = { userType = "Location" },
  }
  for key, value in pairs(more or {}) do
    record[key] = value
  end
  return record
end

function tests.test_installations()
  equal(store.installation_put(installation()), true)
  local found = store.installation_get("C1", "L1")
  equal(found.access_token, "access secret")
  equal(found.refresh_token, "refresh secret")
  equal(found.details.userType, "Location")
  equal(store.installation_get(nil, "L1").company, "C1")
  fails("NOT_FOUND", store.installation_get("C1", "L2"))
  local list = store.installation_list()
  equal(#list, 1)
  equal(list[1].access_token, nil)
  equal(#store.installation_list "C2", 0)
  equal(#store.installation_expiring(time.now_ms() + 60000, 10), 1)
  equal(#store.installation_expiring(time.now_ms() - 60000, 10), 0)
  found.scopes = "a b"
  equal(store.installation_put(found), true)
  equal(store.installation_get("C1", "L1").scopes, "a b")
  equal(store.installation_set_status { company = "C1", location = "L1", status = "removed" }, true)
  equal(store.installation_get("C1", "L1").status, "removed")
  raises("a company or a location is needed", store.installation_get)
  raises("option 'status' must be", store.installation_put, installation { status = "fine" })
end

function tests.test_refreshing()
  store.installation_put(installation())
  local key = { company = "C1", location = "L1", owner = "flight", lease_ms = 5000 }
  key.version = store.installation_get("C1", "L1").version
  equal(store.refresh_begin(key), true)
  key.owner = "other"
  fails("CONFLICT", store.refresh_begin(key))
  local tokens = { company = "C1", location = "L1", owner = "flight", access_token = "new", expires_ms = 99 }
  equal(store.refresh_done(tokens), true)
  local found = store.installation_get("C1", "L1")
  equal(found.access_token, "new")
  equal(found.refresh_token, "refresh secret")
  equal(found.expires_ms, 99)
  key.version = found.version
  equal(store.refresh_begin(key), true)
  local failure = { company = "C1", location = "L1", owner = "other", reason = "invalid_grant", invalid = true }
  equal(store.refresh_failed(failure), true)
  equal(store.installation_get("C1", "L1").status, "invalid")
end

function tests.test_states()
  equal(store.state_put("s1", { account = "a" }, 60000), true)
  equal(store.state_take("s1").account, "a")
  fails("NOT_FOUND", store.state_take "s1")
end

function tests.test_settings()
  equal(store.setting_put("location:L1", "sender", "ACME"), true)
  equal(store.setting_put("location:L1", "key", "hidden", true), true)
  local values, secrets = store.settings "location:L1"
  same(values, { sender = "ACME", key = "hidden" })
  same(secrets, { key = true })
  equal(store.setting_put("location:L1", "key", nil), true)
  same(store.settings "location:L1", { sender = "ACME" })
  same(store.settings "location:L2", {})
end

function tests.test_probe()
  equal(store.probe(), true)
end

function tests.test_globals()
  equal(io, nil)
  equal(dofile, nil)
  equal(loadfile, nil)
  equal(os.getenv, nil)
  equal(os.execute, nil)
  equal(math.type(os.time()), "integer")
  equal(debug.sethook, nil)
  equal(type(debug.traceback), "function")
  equal(package.loadlib, nil)
  raises("module 'cjson' not found", require, "cjson")
end

local modes = {
  plain = function()
    collectgarbage "incremental"
  end,
  eager = function()
    collectgarbage("incremental", 1, 10000) -- a whole cycle at every step
  end,
  generational = function()
    collectgarbage("generational", 1, 1)
  end,
}

local module = {}

for mode, set in pairs(modes) do
  for name, test in pairs(tests) do
    module[name .. "_" .. mode] = function()
      set()
      test()
      collectgarbage()
      return "passed"
    end
  end
end

function module.names()
  local names = {}
  for name in pairs(module) do
    if name:find("test_", 1, true) == 1 then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return table.concat(names, " ")
end

return module
