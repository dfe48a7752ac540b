local deliveries = require "support.deliveries"
local fake_host = require "support.fake_host"
local json = require "support.fake_json"

describe("a message that its rules split", function()
  local host, delivery
  local message, accepted = deliveries.message, deliveries.accepted

  before_each(function()
    host = fake_host.new()
    delivery = require "bascule.delivery"
  end)

  local function split(...)
    local bodies = { ... }
    host.rule = function()
      local parts = {}
      for index, body in ipairs(bodies) do
        parts[index] = type(body) == "table" and body or { to = "+639171234567", body = body }
      end
      return { action = "split", parts = parts, agency = "acme", generation = "g2" }
    end
  end

  local function rule_is_not_asked()
    host.rule = function()
      error "the rule is not asked"
    end
  end

  -- The message as the queue hands it over after the attempt that this outcome ended.
  local function after(before, outcome, changes)
    local fields = { provider = "cast", sent = outcome.sent and json.decode(outcome.sent) or before.sent }
    for name, value in pairs(changes or {}) do
      fields[name] = value
    end
    return message(fields)
  end

  local function last_request()
    local request = host.requests[#host.requests]
    return json.decode(request.body).message, request.headers["x-idempotency-key"]
  end

  it("goes part by part, each an attempt of its own, and asks the rule once", function()
    split("one", "two", "three")
    local now, texts, keys = message(), {}, {}
    for index = 1, 3 do
      host.answer(accepted("CAST" .. index))
      local outcome = delivery.send(now)
      assert.are.equal("accepted", outcome.outcome)
      assert.are.equal(index < 3, outcome.more)
      assert.are.same({ index, 3 }, { outcome.event.part, outcome.event.of })
      texts[index], keys[index] = last_request()
      now = after(now, outcome)
      rule_is_not_asked()
    end
    assert.are.same({ "one", "two", "three" }, texts)
    assert.are.same({ "loc1:msg1", "loc1:msg1:p2", "loc1:msg1:p3" }, keys)
    local ids = {}
    for index, part in ipairs(now.sent.parts) do
      ids[index] = part.provider_message_id
    end
    assert.are.same({ "CAST1", "CAST2", "CAST3" }, ids)
  end)

  it("keeps the progress durably before each part, and tells the timeline which part it is", function()
    split("one", "two")
    host.answer(accepted "CAST1")
    local outcome = delivery.send(message())
    host.answer(accepted "CAST2")
    delivery.send(after(message(), outcome))
    local first, second = host.data.attempts[1], host.data.attempts[2]
    assert.are.same({ 1, 2, "split", 2 }, { first.part, first.parts, first.event.action, first.event.of })
    assert.are.equal(1, first.sent.next)
    assert.are.same({ 2, 2 }, { second.part, second.parts })
    assert.is_nil(second.event)
    assert.are.equal(2, second.sent.next)
    assert.are.equal("CAST1", second.sent.parts[1].provider_message_id)
  end)

  it("is refused as a whole, before anything is sent, where one part cannot be", function()
    split("one", "")
    local outcome = delivery.send(message())
    assert.are.equal("refused", outcome.outcome)
    assert.is_false(outcome.attempted)
    assert.are.equal("part 2 of 2: There is no text to send.", outcome.reason)
    assert.are.equal(0, #host.requests)
    split("one", { to = "+639171234567", body = "two", provider = "casd" })
    outcome = delivery.send(message())
    assert.are.same({ "rejected", "unknown_provider" }, { outcome.outcome, outcome.code })
    assert.are.equal("part 2 of 2: unknown provider 'casd'; did you mean 'cast'?", outcome.reason)
    assert.are.equal(0, #host.data.attempts)
  end)

  it("repeats the part that was refused for now, and not the ones before", function()
    split("one", "two")
    host.answer(accepted "CAST1")
    local now = after(message(), delivery.send(message()))
    rule_is_not_asked()
    host.answer { status = 503, body = "{}" }
    local outcome = delivery.send(now)
    assert.are.same({ "refused", "retryable" }, { outcome.outcome, outcome.kind })
    assert.is_truthy(outcome.reason:find("^part 2 of 2: "))
    assert.are.equal(2, outcome.event.part)
    host.answer(accepted "CAST2")
    assert.is_false(delivery.send(after(now, outcome, { attempts = 1 })).more)
    local text, key = last_request()
    assert.are.same({ "two", "loc1:msg1:p2" }, { text, key })
  end)

  it("asks the rule again while nothing of it was accepted", function()
    split("one", "two")
    host.answer { status = 503, body = "{}" }
    local outcome = delivery.send(message())
    split "mended"
    host.answer(accepted "CAST1")
    delivery.send(message { attempts = 1, provider = "cast", sent = host.data.attempts[1].sent })
    assert.are.equal("refused", outcome.outcome)
    assert.are.equal("mended", (last_request()))
  end)

  it("repeats a part of unknown outcome under its own key", function()
    split("one", "two")
    host.answer(accepted "CAST1")
    local now = after(message(), delivery.send(message()), { outcome_unknown = true, attempts = 1 })
    rule_is_not_asked()
    host.answer(accepted "CAST2")
    assert.are.equal("accepted", delivery.send(now).outcome)
    local text, key = last_request()
    assert.are.same({ "two", "loc1:msg1:p2" }, { text, key })
  end)

  it("does not repeat such a part where that could send twice and the operator minds", function()
    host.config.BASCULE_UNKNOWN_OUTCOME = "fail"
    split("one", "two")
    host.answer(accepted "CAST1")
    local now = after(message(), delivery.send(message()), { outcome_unknown = true, attempts = 1 })
    require("bascule.providers.cast").idempotent = false
    local outcome = delivery.send(now)
    assert.are.same({ "refused", "outcome_unknown", 2 }, { outcome.outcome, outcome.code, outcome.event.part })
    assert.are.equal(1, #host.requests)
  end)

  it("goes on after a replay with what was not accepted, under keys of the replay", function()
    split("one", "two")
    host.answer(accepted "CAST1")
    local now = after(message(), delivery.send(message()), { epoch = 1 })
    rule_is_not_asked()
    host.answer(accepted "CAST2")
    delivery.send(now)
    local text, key = last_request()
    assert.are.same({ "two", "loc1:msg1:r1:p2" }, { text, key })
  end)

  it("waits where the next part's gate is closed", function()
    split("one", "two")
    host.answer(accepted "CAST1")
    local now = after(message(), delivery.send(message()))
    host.closed[require("bascule.providers.cast").destination {}] = 700
    local outcome = delivery.send(now)
    assert.are.same({ "busy", 700 }, { outcome.outcome, outcome.wait_ms })
  end)

  it("is rejected where the driver of what is left has gone", function()
    local sent = { parts = { { provider = "cast" }, { provider = "gone" } }, next = 2 }
    local outcome = delivery.send(message { provider = "cast", sent = sent })
    assert.are.same({ "rejected", "unknown_provider", 2 }, { outcome.outcome, outcome.code, outcome.event.part })
  end)

  it("remembers what its rule kept with the first part alone", function()
    split("one", "two")
    local rule = host.rule
    host.needs.memory = { today = { kind = "counter", per = "number", window = "day", zone = "UTC" } }
    host.rule = function()
      local decision = rule()
      decision.memory = { { name = "today", op = "add", by = 1 } }
      return decision
    end
    host.answer(accepted "CAST1")
    local outcome = delivery.send(message())
    host.answer(accepted "CAST2")
    delivery.send(after(message(), outcome))
    assert.are.equal(1, #host.data.attempts[1].memory)
    assert.is_nil(host.data.attempts[2].memory)
  end)

  describe("has one receipt:", function()
    local function sent_message(...)
      local parts = {}
      for index, receipt in ipairs { ... } do
        parts[index] = { provider = "cast", provider_message_id = "CAST" .. index, receipt = receipt or nil }
      end
      return message { state = "sent", provider = "cast", sent = { parts = parts, next = #parts + 1 } }
    end

    -- By provider message id.
    local function receipts(statuses)
      host.on_request = function(request)
        local status = assert(statuses[request.url:match "CAST%d$"], request.url .. " is not asked")
        return { status = 200, body = ('{"success":true,"status":"%s"}'):format(status) }
      end
    end

    it("delivered when all are", function()
      receipts { CAST1 = "delivered", CAST2 = "delivered" }
      assert.are.equal("delivered", delivery.receipt(sent_message("pending", "pending")).receipt)
    end)

    it("pending while one is, and what is known is kept and not asked again", function()
      receipts { CAST1 = "delivered", CAST2 = "pending" }
      local told = delivery.receipt(sent_message("pending", "pending"))
      assert.are.equal("pending", told.receipt)
      local sent = json.decode(told.sent)
      assert.are.same({ "delivered", "pending" }, { sent.parts[1].receipt, sent.parts[2].receipt })
      receipts { CAST2 = "delivered" }
      assert.are.equal("delivered", delivery.receipt(message { provider = "cast", sent = sent }).receipt)
    end)

    it("undelivered when one is, and says which", function()
      receipts { CAST1 = "delivered", CAST2 = "failed" }
      local told = delivery.receipt(sent_message("pending", "pending"))
      assert.are.equal("undelivered", told.receipt)
      assert.are.equal("part 2 of 2: Cast.ph could not hand the message over.", told.reason)
      assert.are.same({ 2, 2 }, { told.event.part, told.event.of })
    end)

    it("none where a provider tells none", function()
      receipts { CAST1 = "delivered" }
      assert.are.equal("unavailable", delivery.receipt(sent_message("pending", false)).receipt)
    end)

    it("not now, for as long as the provider asks", function()
      host.closed[require("bascule.providers.cast").destination {} .. ":receipts"] = 900
      local told = delivery.receipt(sent_message("pending", "pending"))
      assert.are.same({ "unavailable", 900 }, { told.receipt, told.wait_ms })
    end)
  end)
end)
