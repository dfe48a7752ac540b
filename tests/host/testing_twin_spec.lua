-- bascule.testing runs rules as the host does: the same rule over the same message comes to the same decision, or fails
-- in the same words.
local dryrun = require "host.dryrun"
local testing = require "bascule.testing"
local samples = require "bascule.testing.messages"

local head <const> = [[
return {
  locations = { "location1" },
  memory = {
    today = { kind = "counter", per = "contact", window = "day", zone = "UTC" },
    lock = { kind = "value", per = "contact", ttl = "12h" },
  },
  %s = function(message, context) %s end,
}
]]

local cases <const> = {
  outbound = {
    "return message",
    "message.sender = 'ACME' message.body = 'Hi' return message",
    "return { to = '1', body = 'x' }",
    "return context.reject 'no'",
    "return context.reject()",
    "return context.reject(5)",
    "return context.defer { until_ = context.now + 1.5, reason = 'later' }",
    "return context.defer { until_ = context.now }",
    "return context.defer { unti_ = 1 }",
    "return context.defer { until_ = 'x' }",
    "return context.defer { until_ = 1, reason = 1 }",
    "return context.defer()",
    "return context.defer(1)",
    "return context.route { 'cast', 'twilio' }",
    "return context.route {}",
    "return context.route { 1 }",
    "return context.route()",
    "return context.split { 'one', { to = '1', body = 'two' } }",
    "return context.split {}",
    "return context.split { 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k' }",
    "return context.split { true }",
    "message.attachments = { 'u' } return context.split { 'one', 'two', { to = '1', body = 'three' } }",
    "message.attachments = nil return context.split { 'one', 'two' }",
    "return context.split { 'one', { to = '1', bdy = 'two' } }",
    "context.log 'one' context.log 'two' return message",
    "context.log(1) return message",
    "for _ = 1, 25 do context.log 'line' end return message",
    "context.log(('x'):rep(1500)) context.log(('x'):rep(1500)) context.log 'y' return message",
    "context.count 'today' return message",
    "context.count('today', { by = 2, most = 5 }) context.count('today', { most = 3 }) return message",
    "context.count 'tody' return message",
    "context.count 'lock' return message",
    "context.count() return message",
    "context.count('today', { by = 0 }) return message",
    "context.count('today', { by = 1.5 }) return message",
    "context.count('today', { most = math.maxinteger }) return message",
    "context.count('today', { by = 1000000000 }) context.count 'today' return message",
    "context.count('today', { mst = 1 }) return message",
    "context.count('today', 1) return message",
    "context.remember('lock', 'ACME') return message",
    "context.remember('lock', { 1, 2 }, { first = true }) return message",
    "context.remember('lock', 'a') context.forget 'lock' return message",
    "context.remember('lock') return message",
    "context.remember('lock', ('x'):rep(999)) return message",
    "context.remember('today', 1) return message",
    "context.remember('lock', 1, { frst = true }) return message",
    "context.forget 'lock' return message",
    "context.forget 'lok' return message",
    "context.count 'today' return context.reject 'no'",
    "context.count 'today' context.log 'x' return context.defer { until_ = 5 }",
    "context.dnd(true) return message",
    "context.reply 'x' return message",
    "message.sendr = 1 return message",
    "message.body = 5 return message",
    "message.to = nil return message",
    "message.attachments = { 'a', 2 } return message",
    "message.attachments = 'a' return message",
    "message[1] = 1 return message",
    "return nil",
    "return 5",
    "return context.memory.today.count == 0 and context.memory.lock.value == nil and context.reject 'empty'",
    "return context.reject(context.seed .. context.attempt .. context.location .. context.agency)",
  },
  inbound = {
    "context.dnd(true) context.reply 'You are off the list' return message",
    "context.dnd() return message",
    "context.dnd(1) return message",
    "context.reply() return message",
    "context.dnd(true) context.count 'today' return context.reject 'stop'",
    "return context.defer { until_ = 5 }",
    "return context.route { 'cast' }",
    "return context.split { 'a' }",
    "message.from = nil return message",
    "message.form = '1' return message",
    "return 'x'",
  },
  report = {
    "message.status = 'failed' message.error = { code = '1', type = 't', message = 'm' } return message",
    "message.status = 'deliverd' return message",
    "message.status = 'zzz' return message",
    "message.status = 1 return message",
    "message.status = nil return message",
    "message.error = 'x' return message",
    "message.error = { cod = '1' } return message",
    "message.error = { code = 1 } return message",
    "message.body = 'x' return message",
    "message.stats = 'x' return message",
    "return context.reject 'not told'",
    "return context.defer { until_ = 5 }",
    "context.count 'today' return message",
    "context.log 'x' return message",
    "return nil",
  },
}

-- "file:line: what" and the excerpt below it: what.
local function words(why)
  return (tostring(why):gsub("^RULE: ", ""):gsub("\n.*$", ""):gsub("^[^ ]+:%d+: ", ""))
end

local function open_all(kind, bodies)
  local sources = {}
  for i, body in ipairs(bodies) do
    sources[i] = { slug = "twin" .. i, path = "twin.lua", source = head:format(kind, body) }
  end
  return assert(dryrun.open(sources))
end

local function of_host(rules, kind, slug)
  local context = {
    now = testing.time "2026-01-02T12:00:00+08:00", location = "location1", settings = {}, seed = 0, attempt = 0,
    memory = { today = { count = 0 }, lock = {} },
  }
  local decision, why = rules:call(kind, slug, samples[kind](), context)
  if not decision then
    return words(why)
  end
  decision.usage, decision.until_, decision.until_ms = nil, decision.until_ms, nil
  return decision
end

local function of_testing(kind, slug, body)
  local t = testing.t(load(head:format(kind, body), "@twin.lua")())
  local ok, decision = pcall(t[kind], {}, { agency = slug })
  return ok and decision or words(decision)
end

describe("bascule.testing is as the host:", function()
  for kind, bodies in pairs(cases) do
    local rules = open_all(kind, bodies)
    for i, body in ipairs(bodies) do
      it(kind .. ": " .. body, function()
        local slug = "twin" .. i
        assert.are.same(of_host(rules, kind, slug), of_testing(kind, slug, body))
      end)
    end
  end
end)

describe("a test that gives its rules memory", function()
  local call = [[t.outbound({}, { memory = { tody = { count = 1 } } })]]
  local refusal = "the context's memory: 'tody' is not declared in memory; did you mean 'today'?"

  it("within the file is told the name that it may have meant", function()
    local body = ("return message end, tests = { one = function(t) %s end }, report = function(message)"):format(call)
    local source = head:format("outbound", body .. " return message")
    local rules = assert(dryrun.open { { slug = "acme", path = "acme.lua", source = source } })
    assert.are.equal('acme.lua:7: test "one": ' .. refusal, rules:tests("acme")[1].failure)
  end)

  it("beside the file likewise", function()
    local t = testing.t(load(head:format("outbound", "return message"), "@twin.lua")())
    local ok, why = pcall(load("local t = ... " .. call, "@spec.lua"), t)
    assert.are.equal(refusal, not ok and words(why))
  end)
end)

describe("the lines around an error", function()
  local path <const> = ("long/"):rep(20) .. "rules.lua" -- Lua shows the end of such a path
  local source <const> = [[
return {
  locations = { "location1" },
  outbound = function(message)
    message.bdy = 1
    return message
  end,
  tests = {
    one = function(t)
      local one = 1
      t.equal(one, 2)
    end,
  },
}
]]
  local rules

  before_each(function()
    rules = assert(dryrun.open { { slug = "acme", path = path, source = source } })
  end)

  it("are those of the rule", function()
    local _, why = rules:call("outbound", "acme", samples.outbound(),
      { now = 0, location = "location1", settings = {}, seed = 0, attempt = 0, memory = {} })
    assert.matches("\n> 4 |     message.bdy = 1\n", rules:excerpt("acme", (why:gsub("^RULE: ", ""))))
  end)

  it("are those of the test", function()
    local failure = rules:tests("acme")[1].failure
    assert.are.equal(path .. ':10: test "one": expected 2, got 1', failure)
    assert.matches("\n> 10 |       t.equal%(one, 2%)\n", rules:excerpt("acme", failure))
  end)

  it("are none where the error names none", function()
    assert.is_nil(rules:excerpt("acme", "it broke"))
    assert.is_nil(rules:excerpt("nobody", path .. ":4: it broke"))
  end)
end)
