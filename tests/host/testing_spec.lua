local testing = require "bascule.testing"

local rules = {
  locations = { "location7" },
  memory = {
    today = { kind = "counter", per = "contact", window = "day" },
    lock = { kind = "value", per = "contact" },
  },
  outbound = function(message, context)
    local does = {
      send = function() message.sender = "ACME" return message end,
      reject = function() return context.reject "no" end,
      defer = function() return context.defer { until_ = context.now + 1000, reason = "later" } end,
      route = function() return context.route { "cast", "twilio" } end,
      split = function()
        message.sender = "ACME"
        return context.split { "first", { to = "+639170000000", body = "b" } }
      end,
      count = function() context.count("today", { most = 3 }) context.log "counted" return message end,
      lock = function() context.remember("lock", "ACME", { first = true }) return message end,
      forget = function() context.forget "lock" return message end,
      reply = function() context.reply "no" end,
      misspelt = function() message.sendr = "ACME" return message end,
      nothing = function() end,
    }
    return does[message.body]()
  end,
  inbound = function(message, context)
    context.dnd(true)
    context.reply "You are off the list"
    return message
  end,
}
local t = testing.t(rules)

local function outbound(body, context)
  return t.outbound({ body = body }, context)
end

describe("testing.t", function()
  it("tells what is sent, and leaves the test's own table alone", function()
    local fields = { body = "send" }
    local decision = t.outbound(fields)
    assert.are.equal("send", decision.action)
    assert.are.equal("ACME", decision.message.sender)
    assert.is_nil(fields.sender)
  end)

  it("names a deferral's time as the rule does", function()
    assert.are.equal(1767326400000 + 1000, outbound("defer").until_)
  end)

  it("makes messages of the texts of a split", function()
    local parts = outbound("split").parts
    assert.are.same({ "first", "ACME" }, { parts[1].body, parts[1].sender })
    assert.are.same({ to = "+639170000000", body = "b" }, parts[2])
  end)

  it("tells the effects and the log", function()
    local decision = outbound "count"
    assert.are.same({ { name = "today", op = "add", by = 1, most = 3 } }, decision.memory)
    assert.are.same({ "counted" }, decision.log)
    assert.are.same({ { name = "lock", op = "set", value = "ACME", first = true } }, outbound("lock").memory)
    assert.are.same({ { name = "lock", op = "forget" } }, outbound("forget").memory)
  end)

  it("tells what an inbound rule asked for", function()
    local decision = t.inbound { body = "STOP" }
    assert.is_true(decision.dnd)
    assert.are.equal("You are off the list", decision.reply)
  end)

  it("refuses what is for another function", function()
    assert.has_error(function() outbound "reply" end)
  end)

  it("refuses a misspelt key of the message, with the function's line", function()
    local ok, why = pcall(outbound, "misspelt")
    assert.is_false(ok)
    assert.matches("^tests/host/testing_spec%.lua:9: unknown key 'sendr' in the message; did you mean 'sender'%?$", why)
  end)

  it("refuses an answer that is none", function()
    local _, why = pcall(outbound, "nothing")
    assert.are.equal(
      'tests/host/testing_spec.lua:9: outbound returned nothing; return message, or context.reject("why")', why)
  end)

  it("refuses a misspelt field of the test", function()
    assert.error_matches(function() t.outbound { boddy = "" } end, "unknown option 'boddy'; did you mean 'body'%?")
    assert.error_matches(function() t.outbound({}, { nwo = 1 }) end, "unknown option 'nwo'; did you mean 'now'%?")
  end)
end)

describe("testing.context", function()
  it("has the first of the rules' locations and an empty memory", function()
    local context = testing.context({}, rules)
    assert.are.equal("location7", context.location)
    assert.are.same({ today = { count = 0 }, lock = {} }, context.memory)
  end)

  it("refuses memory that the rules do not declare", function()
    assert.error_matches(function() testing.context({ memory = { tody = { count = 1 } } }, rules) end, "'tody'")
  end)

  it("records what a rule asks for when it is called directly", function()
    local context = testing.context({ memory = { today = { count = 2 } } }, rules)
    rules.outbound(testing.message { body = "count" }, context)
    assert.are.equal("today", testing.recorded(context).memory[1].name)
  end)

  it("bounds the log", function()
    local context = testing.context()
    for _ = 1, 30 do
      context.log "line"
    end
    assert.are.same({ 20, 10 }, { #testing.recorded(context).log, testing.recorded(context).log_dropped })
  end)
end)

describe("assertions", function()
  it("take what they should", function()
    assert.sends(outbound "send", { sender = "ACME" })
    assert.rejects(outbound "reject", "no")
    assert.defers(outbound "defer", "2026-01-02T12:00:01+08:00", "later")
    assert.routes(outbound "route", { "cast", "twilio" })
    assert.splits(outbound "split", { "first", { body = "b" } })
    assert.rejects(rules.outbound(testing.message { body = "reject" }, testing.context()))
    assert.sends(rules.outbound(testing.message { body = "send" }, testing.context()), { sender = "ACME" })
  end)

  local faults = {
    { "sends", "reject", {}, 'it rejects: "no"' },
    { "sends", "send", { sender = "ACMÉ" }, 'sender is "ACME", expected "ACMÉ"' },
    { "rejects", "send", nil, "it is send" },
    { "rejects", "reject", "yes", 'the reason "yes", but it is "no"' },
    { "defers", "defer", "2026-01-02T12:00:00+08:00", "until 2026%-01%-02T04:00:00Z, but it is until 2026" },
    { "routes", "send", nil, "routed" },
    { "splits", "split", { "first" }, "expected 1 messages, but there are 2" },
    { "splits", "split", { "first", "c" }, 'message 2: body is "b", expected "c"' },
  }
  for _, row in ipairs(faults) do
    it(("assert.%s says what is wrong: %s"):format(row[1], row[4]), function()
      assert.error_matches(function() assert[row[1]](outbound(row[2]), row[3]) end, row[4])
    end)
  end
end)

describe("testing.clock", function()
  it("goes when it is told to", function()
    local clock = testing.clock "2026-01-02T23:59:00+08:00"
    assert.are.equal(testing.time "2026-01-03T00:14:00+08:00", clock:advance "15m")
    assert.are.equal(testing.time "2026-01-02T00:00:00Z", clock:set "2026-01-02T00:00:00Z")
  end)

  it("refuses what is no time", function()
    assert.has_error(function()
      testing.time "yesterday"
    end, 'yesterday is no time such as "2026-01-02T09:00:00+08:00"')
  end)
end)

describe("testing.event", function()
  local path = os.tmpname()

  local function event(text)
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    return testing.event(path)
  end
  teardown(function() os.remove(path) end)

  it("makes GHL's webhook a message", function()
    local message = event '{"type": "SMS", "phone": "+639171234567", "message": "Hi", "contactId": "c1", "extra": 5}'
    assert.are.same({ "Hi", "c1", 5 }, { message.body, message.contact_id, message.payload.extra })
  end)

  it("takes the message of another function", function()
    assert.are.equal("STOP", event('{"function": "inbound", "message": {"body": "STOP"}}').body)
  end)
end)
