local simulator = require "support.simulator"

describe("the simulated Cast", function()
  local sim

  before_each(function() sim = simulator.start { ["cast-delay-ms"] = "1000", ["cast-key"] = "cast_a,cast_b" } end)

  local function send(fields, headers, prefix)
    local body = { to = "09171234567", message = "Kumusta" }
    for name, value in pairs(fields or {}) do
      body[name] = value
    end
    local sent = { ["x-api-key"] = "cast_a" }
    for name, value in pairs(headers or {}) do
      sent[name] = value
    end
    return sim.call("POST", (prefix or "/api/v1") .. "/sms/send", { json = body, headers = sent })
  end

  local function status(id, key)
    return sim.call("GET", "/api/v1/sms/status/" .. id, { headers = { ["x-api-key"] = key or "cast_a" } })
  end

  local function ledger()
    return sim.call("GET", "/simulate/state").json
  end

  it("accepts a message under both editions of its path", function()
    for _, prefix in ipairs { "/api/v1", "/api" } do
      local answer = send(nil, nil, prefix)
      assert.same({ 200, true, 1 }, { answer.status, answer.json.success, answer.json.parts })
    end
    local first = ledger().sends[1]
    assert.same({ "09171234567", "Kumusta", 1 }, { first.to, first.message, first.asked })
  end)

  it("answers the same again under one idempotency key, for a day", function()
    local key = { ["x-idempotency-key"] = "L1:m1" }
    local first, again = send(nil, key), send(nil, key)
    assert.equal(first.json.message_id, again.json.message_id)
    assert.equal("true", again.headers["x-idempotent-replay"])
    assert.is_nil(first.headers["x-idempotent-replay"])
    assert.same({ 1, 2 }, { #ledger().sends, ledger().sends[1].asked })
    local other_account = send(nil, { ["x-idempotency-key"] = "L1:m1", ["x-api-key"] = "cast_b" })
    assert.not_equal(first.json.message_id, other_account.json.message_id)
    sim.wait(24 * 3600 * 1000 + 1)
    assert.not_equal(first.json.message_id, send(nil, key).json.message_id)
  end)

  it("counts parts as the alphabet asks for", function()
    local function parts(character, count) return send({ message = character:rep(count) }).json.parts end
    assert.same({ 1, 2, 3 }, { parts("x", 160), parts("x", 161), parts("x", 307) })
    assert.same({ 1, 2, 3 }, { parts("ñ", 70), parts("ñ", 71), parts("ñ", 135) })
    assert.same({ 1, 2 }, { parts("{", 80), parts("{", 81) })
  end)

  it("refuses what its documentation refuses, with code and type", function()
    local function code(...)
      local answer = send(...)
      return { answer.status, answer.json.success, answer.json.error_code }
    end
    assert.same({ 400, false, "VALIDATION_ERROR" }, code { to = "091" })
    assert.same({ 400, false, "VALIDATION_ERROR" }, code { message = "" })
    assert.same({ 400, false, "VALIDATION_ERROR" }, code { sender_id = ("x"):rep(21) })
    assert.same({ 401, false, "INVALID_API_KEY" }, code({}, { ["x-api-key"] = "cast_c" }))
    assert.same({ 400, false, "INVALID_REQUEST" }, (function()
      local answer = sim.call("POST", "/api/v1/sms/send", { body = "{", headers = { ["x-api-key"] = "cast_a" } })
      return { answer.status, answer.json.success, answer.json.error_code }
    end)())
  end)

  it("refuses numbers that always fail", function()
    for digits, code in pairs {
      ["0402"] = "INSUFFICIENT_CREDITS", ["0403"] = "API_KEY_REVOKED", ["0422"] = "ALREADY_UNSUBSCRIBED",
      ["0429"] = "RATE_LIMIT_EXCEEDED", ["0500"] = "INTERNAL_ERROR", ["0502"] = "PROVIDER_ERROR",
      ["0503"] = "SERVICE_UNAVAILABLE",
    } do
      local answer = send { to = "0917123" .. digits }
      assert.same({ tonumber(digits), code }, { answer.status, answer.json.error_code })
      assert.equal(digits == "0429" and "1" or nil, answer.headers["retry-after"])
    end
    assert.equal(0, #ledger().sends)
  end)

  it("gives receipts in time: sent, pending, delivered", function()
    local id = send().json.message_id
    local seen = {}
    for _ = 1, 3 do
      local receipt = status(id).json
      seen[#seen + 1] = receipt.status .. " " .. (receipt.dlr_status or "")
      sim.wait(500)
    end
    assert.same({ "sent ", "pending ACCEPTD", "delivered DELIVRD" }, seen)
  end)

  it("gives the receipts of numbers that are not reached", function()
    local ids = {}
    for _, digits in ipairs { "0404", "0408", "0410" } do
      ids[#ids + 1] = send({ to = "0917123" .. digits }).json.message_id
    end
    sim.wait(5000)
    assert.same({ "undelivered", "sent", "failed" },
      { status(ids[1]).json.status, status(ids[2]).json.status, status(ids[3]).json.status })
  end)

  it("tells of a message only to the key that sent it", function()
    local id = send().json.message_id
    assert.same({ 404, "NOT_FOUND" }, { status(id, "cast_b").status, status(id, "cast_b").json.error_code })
  end)

  it("keeps its rate limit a second, and its credits", function()
    sim = simulator.start { ["cast-rate-limit"] = "1", ["cast-credits"] = "2" }
    assert.same({ 200, 429 }, { send().status, send().status })
    sim.wait(1000)
    assert.equal(200, send().status)
    sim.wait(1000)
    assert.equal("INSUFFICIENT_CREDITS", send().json.error_code)
    local balance = sim.call("GET", "/api/v1/account/balance", { headers = { ["x-api-key"] = "cast_a" } })
    assert.equal(0, balance.json.credits)
  end)

  it("loses the first answer of the number that stands for that", function()
    local key = { ["x-idempotency-key"] = "k" }
    assert.equal(0, send({ to = "09171230504" }, key).status)
    assert.equal(200, send({ to = "09171230504" }, key).status)
    assert.same({ 1, 2 }, { #ledger().sends, ledger().sends[1].asked })
  end)
end)
