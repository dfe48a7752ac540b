local fake_host = require "support.fake_host"
local json = require "support.fake_json"

describe("cast", function()
  local host, cast

  before_each(function()
    host = fake_host.new()
    cast = require "bascule.providers.cast"
  end)

  local function message(changes)
    local fields = { to = "+639171234567", body = "Kumusta" }
    for name, value in pairs(changes or {}) do
      fields[name] = value
    end
    return fields
  end

  describe("prepare", function()
    local numbers = {
      { "+639171234567", "09171234567" },
      { "639171234567", "09171234567" },
      { "09171234567", "09171234567" },
      { "9171234567", "09171234567" },
      { "00639171234567", "09171234567" },
      { "+63 917 123 4567", "09171234567" },
      { "0917-123-4567", "09171234567" },
      { "+63 (0) 917 123 4567", "09171234567" },
      { "08171234567", "08171234567" },
      { "+1 234 567 8901", nil, "no Philippine number" },
      { "+63281234567", nil, "landline" },
      { "", nil, "not a telephone number" },
      { "abc", nil, "not a telephone number" },
      { "GCASH", nil, "not a telephone number" },
      { "12", nil, "wrong number of digits" },
    }
    for _, row in ipairs(numbers) do
      it(("reads %q"):format(row[1]), function()
        local prepared, refusal = cast.prepare(message { to = row[1] }, {})
        if row[2] then
          assert.are.equal(row[2], prepared.to)
        else
          assert.is_nil(prepared)
          assert.are.equal("refused", refusal.outcome)
          assert.are.equal("invalid_number", refusal.kind)
          assert.is_truthy(refusal.reason:find(row[3], 1, true), refusal.reason)
        end
      end)
    end

    it("gives E.164 where the setting says so, also of other countries", function()
      local settings = { cast_number_format = "e164" }
      assert.are.equal("+639171234567", cast.prepare(message { to = "09171234567" }, settings).to)
      assert.are.equal("+6591234567", cast.prepare(message { to = "+65 9123 4567" }, settings).to)
      host.config.CAST_NUMBER_FORMAT = "e164"
      assert.are.equal("+639171234567", cast.prepare(message(), {}).to)
    end)

    it("takes the sender of the rule, the location, the configuration, or none", function()
      host.config.CAST_SENDER_ID = "CONFIG"
      assert.are.equal("RULE", cast.prepare(message { sender = "RULE" }, { sender_id = "LOC" }).sender)
      assert.are.equal("LOC", cast.prepare(message(), { sender_id = "LOC" }).sender)
      assert.are.equal("CONFIG", cast.prepare(message(), {}).sender)
      host.config.CAST_SENDER_ID = nil
      assert.is_nil(cast.prepare(message(), {}).sender)
    end)

    local refusals = {
      { "a sender that is too long", { sender = ("S"):rep(21) }, {}, "permanent", "SENDER_TOO_LONG" },
      { "a sender too long for the old edition", { sender = ("S"):rep(12) }, { cast_path_prefix = "/api" }, "permanent",
        "SENDER_TOO_LONG" },
      { "a text that is too long", { body = ("ñ"):rep(451) }, {}, "permanent", "MESSAGE_TOO_LONG" },
      { "a text too long for the location", { body = "12345" }, { cast_message_limit = "4" }, "permanent",
        "MESSAGE_TOO_LONG" },
      { "no text", { body = "" }, {}, "permanent", "EMPTY_MESSAGE" },
    }
    for _, row in ipairs(refusals) do
      it("refuses " .. row[1], function()
        local prepared, refusal = cast.prepare(message(row[2]), row[3])
        assert.is_nil(prepared)
        assert.are.equal(row[4], refusal.kind)
        assert.are.equal(row[5], refusal.code)
      end)
    end

    it("counts characters, not bytes, against the limit", function()
      assert.is_truthy(cast.prepare(message { body = ("ñ"):rep(450) }, {}))
    end)

    it("says that there is no key", function()
      host.config.CAST_API_KEY = nil
      local _, refusal = cast.prepare(message(), {})
      assert.are.equal("unauthorized", refusal.kind)
      assert.is_truthy(refusal.reason:find("cast_api_key", 1, true))
      assert.is_truthy(cast.prepare(message(), { cast_api_key = "own" }))
    end)
  end)

  it("names the account without giving its key away", function()
    local first, second = cast.destination {}, cast.destination { cast_api_key = "own" }
    assert.are_not.equal(first, second)
    assert.is_nil(first:find("cast_default_key", 1, true))
  end)

  describe("send", function()
    local prepared = { to = "09171234567", body = "Kumusta", sender = "ACME" }

    local function send(answer, settings)
      host.answer(answer)
      return cast.send(prepared, settings or {}, "loc1:msg1")
    end

    local good = { status = 200, body = '{"success":true,"message_id":"CAST1","parts":2}' }

    it("asks with key, idempotency key and what was prepared", function()
      local outcome = send(good)
      assert.are.same({
        outcome = "accepted", provider = "cast", provider_message_id = "CAST1", receipt = true,
        event = { status = 200, elapsed_ms = 1, parts = 2 },
      }, outcome)
      local request = host.requests[1]
      assert.are.equal("POST", request.method)
      assert.are.equal("https://cast.example/api/v1/sms/send", request.url)
      assert.are.equal("cast_default_key", request.headers["x-api-key"])
      assert.are.equal("loc1:msg1", request.headers["x-idempotency-key"])
      assert.is_false(request.idempotent)
      assert.are.same({ to = "09171234567", message = "Kumusta", sender_id = "ACME" }, json.decode(request.body))
    end)

    it("asks for the location's account, under its prefix", function()
      send(good, { cast_api_key = "own", cast_path_prefix = "/api" })
      assert.are.equal("https://cast.example/api/sms/send", host.requests[1].url)
      assert.are.equal("own", host.requests[1].headers["x-api-key"])
    end)

    it("notes that the answer is a replay", function()
      local outcome = send { status = 200, body = good.body, headers = { ["x-idempotent-replay"] = "true" } }
      assert.are.equal("accepted", outcome.outcome)
      assert.is_true(outcome.event.replayed)
    end)

    it("asks for no receipt where there is no message id", function()
      assert.is_false(send({ status = 202, body = '{"success":true}' }).receipt)
    end)

    -- status, error_code, kind or "unknown"
    local errors = {
      { 400, "INVALID_REQUEST", "permanent" },
      { 400, "VALIDATION_ERROR", "permanent" },
      { 401, "INVALID_API_KEY", "unauthorized" },
      { 402, "INSUFFICIENT_CREDITS", "insufficient_credit" },
      { 402, "CREDIT_LIMIT_REACHED", "insufficient_credit" },
      { 403, "API_KEY_REVOKED", "unauthorized" },
      { 403, "API_KEY_EXPIRED", "unauthorized" },
      { 403, "USER_INACTIVE", "unauthorized" },
      { 403, "IP_NOT_WHITELISTED", "unauthorized" },
      { 403, "CHANNEL_NOT_ALLOWED", "unauthorized" },
      { 404, "NOT_FOUND", "permanent" },
      { 405, "METHOD_NOT_ALLOWED", "permanent" },
      { 422, "ALREADY_UNSUBSCRIBED", "permanent" },
      { 429, "RATE_LIMIT_EXCEEDED", "rate_limited" },
      { 500, "INTERNAL_ERROR", "unknown" },
      { 502, "PROVIDER_ERROR", "unknown" },
      { 503, "SERVICE_UNAVAILABLE", "retryable" },
      -- the older edition has no code
      { 400, nil, "permanent" },
      { 401, nil, "unauthorized" },
      { 402, nil, "insufficient_credit" },
      { 403, nil, "unauthorized" },
      { 429, nil, "rate_limited" },
      { 500, nil, "unknown" },
      { 502, nil, "unknown" },
      { 503, nil, "retryable" },
      { 504, nil, "unknown" },
      { 418, nil, "permanent" },
      { 301, nil, "permanent" },
      { 200, "VALIDATION_ERROR", "permanent" },
      { 200, nil, "permanent" },
    }
    for _, row in ipairs(errors) do
      it(("takes %d %s for %s"):format(row[1], row[2] or "without a code", row[3]), function()
        local body = json.encode { success = false, error = "said so", error_code = row[2] }
        local outcome = send { status = row[1], body = body }
        if row[3] == "unknown" then
          assert.are.equal("unknown", outcome.outcome)
          assert.is_true(outcome.idempotent)
        else
          assert.are.equal("refused", outcome.outcome)
          assert.are.equal(row[3], outcome.kind)
        end
        assert.are.equal(row[2] or "HTTP_" .. row[1], outcome.code)
        assert.is_truthy(outcome.reason:find("said so", 1, true))
      end)
    end

    it("keeps Retry-After, and waits a second where there is none", function()
      local limited = { status = 429, body = "{}", headers = { ["retry-after"] = "7" } }
      assert.are.equal(7000, send(limited).retry_after_ms)
      assert.are.equal(1000, send({ status = 429, body = "{}" }).retry_after_ms)
    end)

    it("does not know what became of it where the answer is lost or no JSON", function()
      local lost = send { error = "no answer", name = "TIMEOUT", sent = true }
      assert.are.equal("unknown", lost.outcome)
      assert.is_true(lost.idempotent)
      assert.are.equal("unknown", send({ status = 200, body = "<html>" }).outcome)
    end)

    it("knows that nothing was sent where there was no connection", function()
      local outcome = send { error = "connection refused", name = "CONNECT", sent = false }
      assert.are.equal("refused", outcome.outcome)
      assert.are.equal("retryable", outcome.kind)
      assert.are.equal("Cast.ph did not answer: connection refused", outcome.reason)
    end)
  end)

  describe("receipt", function()
    local function receipt(answer)
      host.answer(answer)
      return cast.receipt({ provider_message_id = "CAST/1" }, {})
    end

    local function status(fields)
      fields.success = true
      return { status = 200, body = json.encode(fields) }
    end

    it("asks for the message", function()
      receipt(status { status = "sent" })
      assert.are.equal("https://cast.example/api/v1/sms/status/CAST%2F1", host.requests[1].url)
      assert.are.equal("GET", host.requests[1].method)
    end)

    local rows = {
      { "sent", nil, "pending" },
      { "pending", "ACCEPTD", "pending" },
      { "delivered", "DELIVRD", "delivered" },
      { "sent", "DELIVRD", "delivered" },
      { "delivered", nil, "delivered" },
      { "undelivered", "UNDELIV", "undelivered" },
      { "undelivered", "REJECTD", "undelivered" },
      { "undelivered", "EXPIRED", "undelivered" },
      { "failed", nil, "undelivered" },
      { "surprise", "SURPRISE", "pending" },
    }
    for _, row in ipairs(rows) do
      it(("takes %s %s for %s"):format(row[1], row[2] or "", row[3]), function()
        local told = receipt(status { status = row[1], dlr_status = row[2] })
        assert.are.equal(row[3], told.receipt)
        if row[3] == "undelivered" then
          assert.are.equal(row[2] or "FAILED", told.code)
          assert.is_truthy(told.reason)
        end
      end)
    end

    it("prefers Cast's own words", function()
      local told = receipt(status { status = "undelivered", dlr_status = "REJECTD", error_message = "spam filter" })
      assert.are.equal("spam filter", told.reason)
    end)

    it("asks again where the status call itself fails", function()
      assert.are.equal("unavailable", receipt({ status = 500, body = "" }).receipt)
      assert.are.equal("unavailable", receipt({ error = "no answer", name = "TIMEOUT", sent = true }).receipt)
      assert.are.equal("pending", receipt({ status = 404, body = '{"success":false}' }).receipt)
      local limited = receipt { status = 429, body = "{}", headers = { ["retry-after"] = "4" } }
      assert.are.equal("unavailable", limited.receipt)
      assert.are.equal(4000, limited.wait_ms)
    end)
  end)
end)
