local simulator = require "support.simulator"

describe("steering the simulator", function()
  local sim

  before_each(function()
    sim = simulator.start { location = "L1", bascule = "http://127.0.0.1:9/", seed = ("ab"):rep(32) }
  end)

  local function post(path, body)
    return sim.call("POST", "/simulate/" .. path, { json = body })
  end

  local function state()
    return sim.call("GET", "/simulate/state").json
  end

  local function cast(key)
    return sim.call("POST", "/api/sms/send",
      { json = { to = "09171234567", message = "x" }, headers = { ["x-api-key"] = key or "k" } })
  end

  it("fires a signed message with GHL's fields", function()
    local answer = post("send", { phone = "+639171234567", message = "Hello {n}", count = 2 })
    assert.equal(200, answer.status)
    assert.same({ 200, "queued" }, { answer.json.sent[2].status, answer.json.sent[2].body.status })
    local request = sim.host.requests[2]
    assert.equal("http://127.0.0.1:9/webhooks/ghl", request.url)
    assert.equal("signed by \xab\xab: " .. request.body, request.headers["x-ghl-signature"])
    local payload = sim.json.decode(request.body)
    assert.same({ "L1", "SMS", "+639171234567", "Hello 2" },
      { payload.locationId, payload.type, payload.phone, payload.message })
    for _, name in ipairs { "contactId", "messageId", "conversationId", "userId" } do
      assert.is_string(payload[name])
    end
    assert.equal(sim.json.decode(sim.host.requests[1].body).contactId, payload.contactId)
  end)

  it("changes the payload, the signature and the place on demand", function()
    post("send", { fields = { userId = sim.json.null, messageId = "m1", extra = 1 }, type = "Custom",
      signature = "missing", bascule = "http://127.0.0.1:10", path = "/webhook" })
    local request = sim.host.requests[1]
    assert.same({ "http://127.0.0.1:10/webhook", nil }, { request.url, request.headers["x-ghl-signature"] })
    local payload = sim.json.decode(request.body)
    assert.same({ "m1", 1, "Custom", nil }, { payload.messageId, payload.extra, payload.type, payload.userId })
  end)

  it("refuses fields that it does not know", function()
    local answer = post("send", { mesage = "x" })
    assert.equal(400, answer.status)
    assert.matches("did you mean 'message'", answer.json.error.message)
    assert.matches("did you mean 'status'", post("faults", { cast = { sttus = 1 } }).json.error.message)
    assert.equal(400, post("faults", { twilio = {} }).status)
    assert.equal(400, post("faults", { cast = { status = "503" } }).status)
  end)

  it("lets some requests pass before a fault strikes", function()
    post("faults", { cast = { status = 503, after = 1, times = 1 } })
    assert.same({ 200, 503, 200 }, { cast().status, cast().status, cast().status })
  end)

  it("switches faults on, for some times, and off", function()
    post("faults", { cast = { status = 429, times = 2, retry_after_s = 3 } })
    local struck = cast()
    assert.same({ 429, "RATE_LIMIT_EXCEEDED", "3" },
      { struck.status, struck.json.error_code, struck.headers["retry-after"] })
    assert.same({ 429, 200 }, { cast().status, cast().status })
    post("faults", { cast = { status = 503 } })
    assert.equal(503, cast().status)
    post("faults", { cast = {} })
    assert.equal(200, cast().status)
  end)

  it("does the work of an answer that it loses", function()
    post("faults", { cast = { drop = 1, times = 1 } })
    assert.equal(0, cast().status)
    assert.equal(1, #state().sends)
    assert.equal(200, cast().status)
  end)

  it("strikes only the path and the key that are named", function()
    post("faults", { cast = { status = 500, key = "slow" } })
    assert.same({ 200, 500 }, { cast("k").status, cast("slow").status })
    post("faults", { cast = { status = 500, path = "/sms/status" } })
    assert.equal(200, cast().status)
  end)

  it("waits before it works", function()
    post("faults", { cast = { latency_ms = 250 } })
    local before = sim.host.clock.now
    cast()
    assert.equal(250, sim.host.clock.now - before)
  end)

  it("forgets its ledger and its faults, but no token", function()
    cast()
    post("faults", { ghl = { status = 500 } })
    post("clear", {})
    assert.same({ 0, {} }, { #state().sends, state().faults.ghl })
  end)

  it("tells Bascule of an uninstallation", function()
    local answer = post("uninstall", { location = "L1" })
    assert.same({ 200, "UNINSTALL" }, { answer.json.status, answer.json.type })
    local payload = sim.json.decode(sim.host.requests[1].body)
    assert.same({ "UNINSTALL", "L1", nil, "simulatedapp" },
      { payload.type, payload.locationId, payload.companyId, payload.appId })
  end)

  it("goes to another Bascule from now on", function()
    assert.equal(400, post("target", { bascule = "here" }).status)
    post("target", { bascule = "http://127.0.0.1:11" })
    post("send", {})
    assert.equal("http://127.0.0.1:11/webhooks/ghl", sim.host.requests[1].url)
  end)

  it("shows its public key, and its state without the long lists", function()
    assert.equal("PEM of \xab\xab", sim.call("GET", "/simulate/keys").body)
    local short = sim.call("GET", "/simulate/state?lists=off").json
    assert.is_nil(short.sends)
    assert.equal(0, short.tokens.refreshes)
  end)

  it("says what a path takes, and where there is nothing", function()
    local answer = sim.call("GET", "/simulate/send")
    assert.same({ 405, "POST" }, { answer.status, answer.headers.allow })
    assert.equal(404, sim.call("GET", "/nothing").status)
  end)

  it("refuses options that it does not know or cannot read", function()
    local function fault(options)
      local ok, reason = pcall(simulator.start, options)
      return not ok and tostring(reason)
    end
    assert.matches("%-%-locatoin: no such option; did you mean 'location'", fault { locatoin = "x" })
    assert.matches("%-%-seed: must be 64 hex digits", fault { seed = "xyz" })
    assert.matches("%-%-rate%-limit: 'many' is no number", fault { ["rate-limit"] = "many" })
    assert.matches("%-%-location: at least one", fault { location = "," })
  end)
end)
