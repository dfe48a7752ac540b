local deliveries = require "support.deliveries"
local fake_host = require "support.fake_host"
local json = require "support.fake_json"

describe("delivery", function()
  local host, delivery

  before_each(function()
    host = fake_host.new()
    delivery = require "bascule.delivery"
  end)

  local payload, message, good = deliveries.payload, deliveries.message, deliveries.good

  local function set(name, value, secret)
    require("host.store").setting_put("location:loc1", name, value, secret)
  end

  describe("send", function()
    it("runs the rule, begins the attempt, and sends", function()
      host.answer(good)
      local outcome = delivery.send(message())
      assert.are.equal("accepted", outcome.outcome)
      assert.are.equal("CAST1", outcome.provider_message_id)
      assert.are.same({ {
        id = "m1", lease = 7, provider = "cast", sent = { to = "09171234567", body = "Kumusta" },
        event = { agency = "default", generation = "g1", action = "send", provider = "cast" },
      } }, host.data.attempts)
      local key = require("bascule.providers.cast").destination {}
      assert.are.same({ "entered", "answered" }, host.gates[key])
      assert.are.equal("loc1:msg1", host.requests[1].headers["x-idempotency-key"])
    end)

    it("gives the rule the message, its whole payload, and what it may know", function()
      set("sender_id", "LOC", false)
      set("cast_api_key", "own-secret-key", true)
      set("rule_greeting", "Hi", false)
      host.answer(good)
      host.rule = function(location, company, given, context)
        assert.are.equal("loc1", location)
        assert.are.equal("co1", company)
        assert.are.equal("+639171234567", given.to)
        assert.are.equal("Kumusta", given.body)
        assert.are.equal("SMS", given.type)
        assert.are.equal("ct1", given.contact_id)
        assert.are.equal("usr1", given.user_id)
        assert.are.equal("msg1", given.message_id)
        assert.are.equal(1, given.payload.surprise.count)
        assert.are.same({}, given.attachments)
        assert.are.equal(host.clock.now, context.now)
        assert.are.same({ sender_id = "LOC", rule_greeting = "Hi" }, context.settings)
        return { action = "send", message = given, agency = "acme", generation = "g2" }
      end
      assert.are.equal("accepted", delivery.send(message()).outcome)
      assert.are.equal("own-secret-key", host.requests[1].headers["x-api-key"])
      assert.are.equal("acme", host.data.attempts[1].event.agency)
    end)

    it("adds attachments as links", function()
      host.answer(good)
      local list = json.array { "https://f/a.png", "https://f/b.png" }
      delivery.send(message { payload = payload { attachments = list } })
      assert.are.equal("Kumusta\nhttps://f/a.png\nhttps://f/b.png", host.data.attempts[1].sent.body)
      host.answer(good)
      delivery.send(message { payload = payload { attachments = list, message = "" } })
      assert.are.equal("https://f/a.png\nhttps://f/b.png", host.data.attempts[2].sent.body)
    end)

    it("rejects and defers as the rule says, without an attempt", function()
      host.rule = function()
        return { action = "reject", reason = "no", agency = "acme", generation = "g2" }
      end
      assert.are.same({
        outcome = "rejected", reason = "no", code = "rejected_by_rule", attempted = false,
        event = { agency = "acme", generation = "g2", action = "reject", reason = "no" },
      }, delivery.send(message()))
      host.rule = function()
        return { action = "defer", until_ms = 99, reason = "night", agency = "acme", generation = "g2" }
      end
      local deferred = delivery.send(message())
      assert.are.equal("deferred", deferred.outcome)
      assert.are.equal(99, deferred.until_ms)
      assert.are.equal(0, #host.data.attempts)
    end)

    for _, name in ipairs { "RULE", "BROKEN" } do
      it("rejects with file and line where the rule fails: " .. name, function()
        host.rule = function()
          return nil, name .. ": acme/rules.lua:5: attempt to index a nil value", name
        end
        local outcome = delivery.send(message())
        assert.are.equal("rejected", outcome.outcome)
        assert.are.equal("rule_error", outcome.code)
        assert.are.equal("acme/rules.lua:5: attempt to index a nil value", outcome.reason)
      end)
    end

    it("logs and counts a rule's failure, without its words: they may hold the message's text", function()
      host.rule = function()
        return nil, "RULE: acme/rules.lua:5: Kumusta is no number", "RULE"
      end
      delivery.send(message())
      assert.are.same({ location = "loc1", code = "RULE" }, host.logged("^rule failed").fields)
      assert.are.equal(1, host.metrics["bascule_rule_failures_total{code=rule}"])
    end)

    it("refuses before an attempt what the provider cannot take", function()
      local outcome = delivery.send(message { payload = payload { phone = "+63281234567" } })
      assert.are.equal("refused", outcome.outcome)
      assert.are.equal("invalid_number", outcome.kind)
      assert.is_false(outcome.attempted)
      assert.are.equal(0, #host.data.attempts)
      assert.are.same({}, host.gates)
    end)

    it("is busy while the gate is closed", function()
      host.closed[require("bascule.providers.cast").destination {}] = 4321
      local outcome = delivery.send(message())
      assert.are.equal("busy", outcome.outcome)
      assert.are.equal(4321, outcome.wait_ms)
      assert.are.equal(0, #host.data.attempts)
    end)

    it("sends nothing where the lease is lost, and says nothing", function()
      host.faults.attempt_begin = "CONFLICT"
      assert.is_nil(delivery.send(message()))
      assert.are.equal(0, #host.requests)
      assert.are.same({ "entered", "paused 0" }, host.gates[require("bascule.providers.cast").destination {}])
    end)

    it("is busy where the store is", function()
      host.faults.attempt_begin = "BUSY"
      assert.are.equal("busy", delivery.send(message()).outcome)
      host.faults.settings = "BUSY"
      host.clock.now = host.clock.now + 2000
      assert.are.equal("busy", delivery.send(message()).outcome)
      assert.are.equal(0, #host.requests)
    end)

    it("repeats an unknown attempt as it was, without the rule", function()
      host.rule = function()
        error "the rule is not asked"
      end
      host.answer(good)
      local sent = { to = "09170000000", body = "as it was", sender = "OLD" }
      local outcome = delivery.send(message { outcome_unknown = true, attempts = 1, provider = "cast", sent = sent })
      assert.are.equal("accepted", outcome.outcome)
      assert.are.same({ to = "09170000000", message = "as it was", sender_id = "OLD" },
        json.decode(host.requests[1].body))
      assert.are.equal("loc1:msg1", host.requests[1].headers["x-idempotency-key"])
      assert.is_nil(host.data.attempts[1].event)
    end)

    it("asks the rule again after a known refusal", function()
      host.answer(good)
      local sent = { to = "09170000000", body = "before" }
      delivery.send(message { attempts = 1, provider = "cast", sent = sent })
      assert.are.equal("Kumusta", json.decode(host.requests[1].body).message)
    end)

    it("does not repeat an unknown attempt where that could send twice and the operator minds", function()
      host.config.BASCULE_UNKNOWN_OUTCOME = "fail"
      local cast = require "bascule.providers.cast"
      cast.idempotent = false
      local unknown = { outcome_unknown = true, attempts = 1, provider = "cast", sent = { to = "1", body = "a" } }
      local outcome = delivery.send(message(unknown))
      assert.are.equal("outcome_unknown", outcome.code)
      assert.are.equal("refused", outcome.outcome)
      unknown.attempts = 0 -- an operator's replay
      host.answer(good)
      assert.are.equal("accepted", delivery.send(message(unknown)).outcome)
    end)

    it("makes an idempotency key of location, message and epoch that fits a header", function()
      local keys = {}
      for _, changes in ipairs { { epoch = 2 }, { external_id = ("m"):rep(300) }, { external_id = "a b" } } do
        host.answer(good)
        delivery.send(message(changes))
        keys[#keys + 1] = host.requests[#host.requests].headers["x-idempotency-key"]
      end
      assert.are.equal("loc1:msg1:r2", keys[1])
      assert.is_true(#keys[2] <= 255)
      assert.is_nil(keys[3]:find " ")
    end)

    describe("tells the gate:", function()
      local rows = {
        { "a refusal of the message", { status = 400, body = "{}" }, "answered" },
        { "a key that is wrong", { status = 401, body = "{}" }, "answered" },
        { "a rate limit", { status = 429, body = "{}", headers = { ["retry-after"] = "2" } }, "paused 2000" },
        { "503", { status = 503, body = "{}" }, "failed" },
        { "a lost answer", { error = "lost", name = "CLOSED", sent = true }, "failed" },
        { "no connection", { error = "refused", name = "CONNECT", sent = false }, "failed" },
      }
      for _, row in ipairs(rows) do
        it(row[1], function()
          host.answer(row[2])
          delivery.send(message())
          assert.are.same({ "entered", row[3] }, host.gates[require("bascule.providers.cast").destination {}])
        end)
      end
    end)

    it("takes a driver that fails for an unknown outcome, and frees the gate", function()
      local cast = require "bascule.providers.cast"
      cast.send = function()
        error "a bug"
      end
      local outcome = delivery.send(message())
      assert.are.equal("unknown", outcome.outcome)
      assert.is_true(outcome.idempotent)
      assert.are.same({ "entered", "failed" }, host.gates[cast.destination {}])
      assert.is_truthy(host.logged "driver failed")
    end)

    describe("routes", function()
      local function route(...)
        local providers = { ... }
        host.rule = function(_, _, given)
          return { action = "send", message = given, providers = providers, agency = "acme", generation = "g2" }
        end
      end

      -- A second driver under another name.
      local function add_backup(changes)
        local cast = require "bascule.providers.cast"
        local backup = setmetatable({ name = "backup" }, { __index = cast })
        backup.destination = function()
          return "backup"
        end
        for name, value in pairs(changes or {}) do
          backup[name] = value
        end
        local providers = require "bascule.providers"
        local get = providers.get
        providers.get = function(name)
          if name == "backup" then
            return backup
          end
          return get(name)
        end
      end

      it("to the next provider where the first is closed or cannot take the message", function()
        add_backup()
        route("cast", "backup")
        host.closed[require("bascule.providers.cast").destination {}] = 1000
        host.answer(good)
        assert.are.equal("backup", delivery.send(message()).provider)
      end)

      it("from one attempt to the next", function()
        add_backup()
        route("cast", "backup")
        host.answer(good)
        assert.are.equal("backup", delivery.send(message { attempts = 1 }).provider)
        host.answer(good)
        assert.are.equal("cast", delivery.send(message { attempts = 2 }).provider)
      end)

      it("nowhere for the shortest time where all are closed", function()
        add_backup()
        route("cast", "backup")
        host.closed[require("bascule.providers.cast").destination {}] = 5000
        host.closed.backup = 900
        assert.are.equal(900, delivery.send(message()).wait_ms)
      end)

      it("not to a provider that is none, with a suggestion", function()
        route "casd"
        local outcome = delivery.send(message())
        assert.are.equal("rejected", outcome.outcome)
        assert.are.equal("unknown provider 'casd'; did you mean 'cast'?", outcome.reason)
        route "twilio"
        assert.are.equal("unknown provider 'twilio'; there is: cast", delivery.send(message()).reason)
      end)
    end)
  end)

  describe("receipt", function()
    local function receipt(answer, changes)
      host.answer(answer)
      local fields = { provider = "cast", provider_message_id = "CAST1" }
      for name, value in pairs(changes or {}) do
        fields[name] = value
      end
      return delivery.receipt(message(fields))
    end

    it("is asked through a gate of its own", function()
      local told = receipt { status = 200, body = '{"success":true,"status":"delivered"}' }
      assert.are.equal("delivered", told.receipt)
      local key = require("bascule.providers.cast").destination {} .. ":receipts"
      assert.are.same({ "entered", "answered" }, host.gates[key])
      receipt { status = 500, body = "" }
      assert.are.equal("failed", host.gates[key][4])
    end)

    it("is not asked while that is closed", function()
      host.closed[require("bascule.providers.cast").destination {} .. ":receipts"] = 700
      local told = receipt {}
      assert.are.equal("unavailable", told.receipt)
      assert.are.equal(700, told.wait_ms)
    end)

    it("is unavailable where the driver is gone", function()
      assert.are.equal("unavailable", receipt({}, { provider = "gone" }).receipt)
    end)
  end)

  describe("report", function()
    before_each(function()
      require("host.store").installation_put {
        company = "co1", location = "loc1", status = "connected", access_token = "at1", refresh_token = "rt1",
        expires_ms = host.clock.now + 3600 * 1000, details = {},
      }
    end)

    local function report(answer, changes)
      if answer then
        host.answer(answer)
      end
      local fields = { report_status = "pending" }
      for name, value in pairs(changes or {}) do
        fields[name] = value
      end
      return delivery.report(message(fields))
    end

    it("puts the status", function()
      local told = report { status = 200, body = '{"traceId":"t1"}' }
      assert.are.same({ outcome = "reported", event = { trace_id = "t1", answer = 200 } }, told)
      assert.are.equal("PUT", host.requests[1].method)
      assert.are.equal("https://ghl.example/conversations/messages/msg1/status", host.requests[1].url)
      assert.are.equal('{"status":"pending"}', host.requests[1].body)
    end)

    it("puts a failure with its error object", function()
      local fault = { code = "INSUFFICIENT_CREDITS", type = "provider", message = "no credit" }
      report({ status = 200, body = "{}" }, { report_status = "failed", report_error = fault })
      assert.are.same({ status = "failed", error = fault }, json.decode(host.requests[1].body))
      report({ status = 200, body = "{}" }, { report_status = "delivered", report_error = fault })
      assert.are.same({ status = "delivered" }, json.decode(host.requests[2].body))
    end)

    it("escapes the id", function()
      report({ status = 200, body = "{}" }, { external_id = "a/b c" })
      assert.are.equal("https://ghl.example/conversations/messages/a%2Fb%20c/status", host.requests[1].url)
    end)

    it("waits longer and longer where GHL says too early", function()
      local early = { status = 403, body = '{"message":"No conversation provider found for this message"}' }
      local waits = {}
      for attempts = 0, 5 do
        local told = report(early, { report_attempts = attempts })
        assert.are.equal("retry", told.outcome)
        assert.is_nil(told.uncounted)
        waits[#waits + 1] = told.retry_after_ms
      end
      assert.are.same({ 2000, 4000, 8000, 16000, 30000, 30000 }, waits)
    end)

    local rows = {
      { "a rate limit", { status = 429, body = "{}" }, "retry", nil },
      { "GHL away", { status = 503, body = "" }, "retry", nil },
      { "no connection", { error = "refused", name = "CONNECT" }, "retry", nil },
      { "another 403", { status = 403, body = "{}" }, "retry", nil },
      { "a message that GHL does not know", { status = 404, body = "{}" }, "given_up", nil },
      { "a status that GHL does not take", { status = 422, body = '{"message":["no"]}' }, "given_up", nil },
    }
    for _, row in ipairs(rows) do
      it("makes of " .. row[1] .. ": " .. row[3], function()
        local told = report(row[2])
        assert.are.equal(row[3], told.outcome)
        assert.are.equal(row[4], told.uncounted)
        assert.is_truthy(told.reason)
      end)
    end

    it("does not count what was not asked", function()
      host.closed["ghl:loc1"] = 800
      local told = report()
      assert.are.equal("retry", told.outcome)
      assert.is_true(told.uncounted)
      assert.are.equal(800, told.retry_after_ms)
      told = report(nil, { location = "loc9" })
      assert.are.equal("retry", told.outcome)
      assert.is_true(told.uncounted)
    end)

    it("gives up where the app was removed", function()
      require("host.store").installation_set_status { company = "co1", location = "loc1", status = "removed" }
      assert.are.equal("given_up", report().outcome)
    end)
  end)
end)
