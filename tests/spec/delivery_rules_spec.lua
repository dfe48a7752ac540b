local deliveries = require "support.deliveries"
local fake_host = require "support.fake_host"
local json = require "support.fake_json"

describe("the road asks the rules", function()
  local host, delivery
  local message, payload, good = deliveries.message, deliveries.payload, deliveries.good

  before_each(function()
    host = fake_host.new()
    delivery = require "bascule.delivery"
  end)

  local function decide(decision)
    decision.agency, decision.generation = "acme", "g2"
    host.rule = function(_, _, given)
      if decision.action == "send" then
        decision.message = decision.message or given
      end
      return decision
    end
  end

  local function connect()
    require("host.store").installation_put {
      company = "co1", location = "loc1", status = "connected", access_token = "at1", refresh_token = "rt1",
      expires_ms = host.clock.now + 3600 * 1000, details = {},
    }
  end

  it("with a seed that is the message's own, and the attempts before", function()
    local seeds = {}
    host.rule = function(_, _, given, context)
      seeds[#seeds + 1] = context.seed
      assert.are.equal(#seeds - 1, context.attempt)
      return { action = "send", message = given, agency = "acme", generation = "g2" }
    end
    host.answer(good)
    delivery.send(message())
    host.answer(good)
    delivery.send(message { attempts = 1 })
    assert.are.equal(seeds[1], seeds[2])
    assert.are.equal("integer", math.type(seeds[1]))
  end)

  it("and tells the timeline what they did", function()
    decide {
      action = "send", log = { "to a mobile" }, log_dropped = 3, version = 7, canary = true,
      usage = { us = 12, instructions = 90, memory_bytes = 4096 },
    }
    host.answer(good)
    delivery.send(message())
    assert.are.same({
      agency = "acme", generation = "g2", action = "send", provider = "cast", log = { "to a mobile" }, log_dropped = 3,
      version = 7, canary = true, usage = { us = 12, instructions = 90, memory_bytes = 4096 },
    }, host.data.attempts[1].event)
  end)

  it("and tells it also of what is not sent, never the log", function()
    decide { action = "reject", reason = "blocked", log = { "Kumusta is blocked" } }
    assert.are.same({ "Kumusta is blocked" }, delivery.send(message()).event.log)
    assert.are.same({}, host.logs)
  end)

  describe("whose memory", function()
    local declared = {
      today = { kind = "counter", per = "contact", window = "day", zone = "UTC" },
      way = { kind = "value", per = "number", ttl_ms = 60000 },
    }

    before_each(function()
      host.needs = { agency = "acme", contact = false, report = false, memory = declared }
    end)

    it("is read into the context", function()
      local given
      host.data.memory["loc1 way number:+639171234567"] = { value = "globe" }
      host.rule = function(_, _, outbound, context)
        given = context.memory
        return { action = "send", message = outbound, agency = "acme", generation = "g2" }
      end
      host.answer(good)
      delivery.send(message())
      assert.are.same({ today = { count = 0 }, way = { value = "globe" } }, given)
      assert.are.equal("m1", host.data.memory_read.message_id)
    end)

    it("is written with the attempt", function()
      decide { action = "send", memory = { { name = "today", op = "add", by = 1, most = 3 } } }
      host.answer(good)
      delivery.send(message())
      local effect = host.data.attempts[1].memory[1]
      assert.are.same({ "loc1", "today", "add", 1, 3 },
        { effect.scope, effect.name, effect.op, effect.by, effect.most })
      assert.is_truthy(effect.key:find "^contact:ct1|")
    end)

    it("is not written where nothing is sent", function()
      decide { action = "reject", reason = "no", memory = { { name = "today", op = "add" } } }
      delivery.send(message())
      assert.is_nil(host.data.memory_applied)
      assert.are.equal(0, #host.data.attempts)
    end)

    it("makes them decide anew where others changed it meanwhile", function()
      local asked = 0
      local begin = require("host.store").attempt_begin
      require("host.store").attempt_begin = function(attempt)
        if asked < 3 then
          return nil, "MEMORY: too many", "MEMORY"
        end
        return begin(attempt)
      end
      host.rule = function(_, _, given)
        asked = asked + 1
        return { action = "send", message = given, agency = "acme", generation = "g2" }
      end
      host.answer(good)
      assert.are.equal("accepted", delivery.send(message()).outcome)
      assert.are.equal(3, asked)
      local key = require("bascule.providers.cast").destination {}
      assert.are.same({ "entered", "paused 0", "entered", "paused 0", "entered", "answered" }, host.gates[key])
    end)

    it("and they are asked five times at most at once", function()
      local asked = 0
      host.faults.attempt_begin = "MEMORY"
      host.rule = function(_, _, given)
        asked = asked + 1
        return { action = "send", message = given, agency = "acme", generation = "g2" }
      end
      assert.are.equal("busy", delivery.send(message()).outcome)
      assert.are.equal(5, asked)
    end)

    it("keeps the message waiting while it cannot be read", function()
      host.faults.memory_read = "BUSY"
      local outcome = delivery.send(message())
      assert.are.equal("busy", outcome.outcome)
      assert.is_truthy(outcome.reason:find "memory could not be read")
    end)
  end)

  describe("with the contact where they need it:", function()
    before_each(function()
      connect()
      host.needs.contact = true
    end)

    local function given_contact()
      local contact
      host.rule = function(_, _, given)
        contact = given.contact
        return { action = "reject", reason = "seen", agency = "acme", generation = "g2" }
      end
      local outcome = delivery.send(message())
      return contact, outcome
    end

    it("as GHL has it", function()
      host.answer { status = 200, body = '{"contact":{"id":"ct1","firstName":"Juan"}}' }
      assert.are.equal("Juan", given_contact().first_name)
      assert.are.equal("https://ghl.example/contacts/ct1", host.requests[1].url)
    end)

    it("nil where GHL knows none", function()
      host.answer { status = 404, body = '{"message":"Contact not found"}' }
      local contact, outcome = given_contact()
      assert.is_nil(contact)
      assert.are.equal("seen", outcome.reason)
    end)

    for what, answer in pairs {
      ["GHL is away"] = { status = 503, body = "" },
      ["GHL's limit is reached"] = { status = 429, body = "{}", headers = { ["retry-after"] = "4" } },
      ["GHL refuses"] = { status = 403, body = "{}" },
    } do
      it("and waits while " .. what, function()
        host.answer(answer)
        local _, outcome = given_contact()
        assert.are.equal("busy", outcome.outcome)
        assert.is_truthy(outcome.reason:find "^the contact could not be read: GHL answered %d+")
        assert.is_true(outcome.wait_ms > 0)
      end)
    end

    it("and waits where the location is not connected", function()
      require("host.store").installation_set_status { company = "co1", location = "loc1", status = "removed" }
      local _, outcome = given_contact()
      assert.are.same({ "busy", 60000 }, { outcome.outcome, outcome.wait_ms })
    end)
  end)

  describe("and bounds what they answer:", function()
    local function outcome_of(decision)
      decide(decision)
      local outcome = delivery.send(message())
      assert.are.equal(0, #host.requests)
      return outcome
    end

    it("a huge text", function()
      local outcome = outcome_of { action = "send", message = { to = "+639171234567", body = ("x"):rep(70000) } }
      assert.are.same({ "rejected", "rule_error" }, { outcome.outcome, outcome.code })
      assert.are.equal("the rules' answer has 70013 bytes of text and attachments; the limit is 65536", outcome.reason)
    end)

    it("a thousand attachments", function()
      local list = {}
      for index = 1, 1000 do
        list[index] = "https://files.example/" .. ("x"):rep(50)
      end
      local outcome = outcome_of { action = "send", message = { to = "+639171234567", body = "", attachments = list } }
      assert.are.equal("rule_error", outcome.code)
    end)

    it("parts that are huge together", function()
      local part = { to = "+639171234567", body = ("x"):rep(40000) }
      assert.are.equal("rule_error", outcome_of({ action = "split", parts = { part, part } }).code)
    end)

    it("a provider's name that is none, however long, and however often it stands there", function()
      local outcome = outcome_of { action = "send", providers = { ("x"):rep(100000) } }
      assert.are.same({ "rejected", "unknown_provider" }, { outcome.outcome, outcome.code })
      assert.is_true(#outcome.reason < 200)
      local names = {}
      for index = 1, 50000 do
        names[index] = "cast"
      end
      host.closed[require("bascule.providers.cast").destination {}] = 1000
      assert.are.equal("busy", outcome_of({ action = "send", providers = names }).outcome)
    end)

    it("a number and a sender that are none, however long", function()
      for _, message_of_rule in ipairs {
        { to = ("9"):rep(60000), body = "x" },
        { to = "+639171234567", body = "x", sender = ("S"):rep(60000) },
      } do
        local outcome = outcome_of { action = "send", message = message_of_rule }
        assert.are.equal("refused", outcome.outcome)
        assert.is_true(#outcome.reason <= 1003)
      end
    end)

    it("a deferral for years", function()
      local outcome = outcome_of { action = "defer", until_ms = math.maxinteger }
      assert.are.same({ "rejected", "the rules defer the message by more than 366 days" },
        { outcome.outcome, outcome.reason })
    end)

    it("a long reason, cut between characters", function()
      local reason = outcome_of({ action = "reject", reason = ("é"):rep(5000) }).reason
      assert.is_true(#reason <= 1003)
      assert.is_truthy(utf8.len(reason))
    end)

    it("an effect that was never declared", function()
      local outcome = outcome_of { action = "send", memory = { { name = "nothing", op = "add" } } }
      assert.are.equal("rule_error", outcome.code)
    end)
  end)

  for _, name in ipairs { "RULE", "BROKEN", "QUARANTINED" } do
    it("and tells GHL's user a plain sentence where they fail: " .. name, function()
      host.rule = function()
        return nil, name .. ": acme/rules.lua:5: attempt to index a nil value", name
      end
      local outcome = delivery.send(message())
      assert.are.same({ "rejected", "acme/rules.lua:5: attempt to index a nil value" },
        { outcome.outcome, outcome.reason })
      assert.are.equal("The agency's rules failed for this message.", outcome.told)
    end)
  end

  it("again soon where the process is stopping", function()
    host.rule = function()
      return nil, "UNAVAILABLE: stopping", "UNAVAILABLE"
    end
    assert.are.equal("busy", delivery.send(message()).outcome)
  end)

  describe("about a status:", function()
    local fault = { code = "EXPIRED", type = "provider", message = "The phone was not reached in time." }

    before_each(function()
      connect()
      host.needs.report = true
    end)

    local function report(rule, changes)
      host.report_rule = rule
      local fields = { report_status = "failed", report_error = fault, provider = "cast", attempts = 2 }
      for name, value in pairs(changes or {}) do
        fields[name] = value
      end
      host.answer { status = 200, body = "{}" }
      return delivery.report(message(fields))
    end

    it("with what is known of the message", function()
      local given
      report(function(location, company, about, context)
        given = about
        assert.are.same({ "loc1", "co1", 2 }, { location, company, context.attempt })
        return { action = "send", message = about, agency = "acme", generation = "g2" }
      end)
      assert.are.same({
        status = "failed", error = fault, to = "+639171234567", body = "Kumusta", provider = "cast",
        message_id = "msg1", attempts = 2,
      }, given)
    end)

    it("and tells GHL what they made of it", function()
      local told = report(function(_, _, about)
        about.error = { code = "X", type = "provider", message = "Please call instead." }
        return { action = "send", message = about, agency = "acme", generation = "g2" }
      end)
      assert.are.equal("Please call instead.", json.decode(host.requests[1].body).error.message)
      assert.are.same({ "reported", "acme" }, { told.outcome, told.event.agency })
      assert.is_nil(told.event.told)
    end)

    it("also another status, without the error of the old one, and the timeline has both", function()
      local told = report(function(_, _, about)
        about.status = "delivered"
        return { action = "send", message = about, agency = "acme", generation = "g2" }
      end)
      assert.are.same({ status = "delivered" }, json.decode(host.requests[1].body))
      assert.are.equal("delivered", told.event.told)
    end)

    it("and tells GHL nothing where they reject it", function()
      local told = report(function()
        return { action = "reject", reason = "not their business", agency = "acme", generation = "g2" }
      end)
      assert.are.same({ "withheld", "not their business" }, { told.outcome, told.reason })
      assert.are.equal(0, #host.requests)
    end)

    it("and tells GHL the status as it was where they fail", function()
      local told = report(function()
        return nil, "RULE: acme/rules.lua:9: no", "RULE"
      end)
      assert.are.same({ status = "failed", error = fault }, json.decode(host.requests[1].body))
      assert.are.same({ "reported", "acme/rules.lua:9: no" }, { told.outcome, told.event.rule_error })
      assert.are.equal(1, host.metrics["bascule_rule_failures_total{code=rule}"])
    end)

    it("and tells GHL the status as it was where they make a book of it", function()
      local told = report(function(_, _, about)
        about.error = { code = "X", type = "provider", message = ("x"):rep(70000) }
        return { action = "send", message = about, agency = "acme", generation = "g2" }
      end)
      assert.are.same({ status = "failed", error = fault }, json.decode(host.requests[1].body))
      assert.is_truthy(told.event.rule_error:find "the limit is 65536")
    end)

    it("later, uncounted, where they cannot be asked now", function()
      local told = report(function()
        return nil, "UNAVAILABLE: stopping", "UNAVAILABLE"
      end)
      assert.are.same({ "retry", true }, { told.outcome, told.uncounted })
      assert.are.equal(0, #host.requests)
    end)

    it("only where they have a function for it", function()
      host.needs.report = false
      report(function()
        error "there is none"
      end, { payload = payload() })
      assert.are.equal(1, #host.requests)
    end)
  end)
end)
