local fake_host = require "support.fake_host"
local json = require "support.fake_json"

describe("the GHL client", function()
  local host, client

  before_each(function()
    host = fake_host.new()
    require("host.store").installation_put {
      company = "co1", location = "loc1", status = "connected", access_token = "at1", refresh_token = "rt1",
      expires_ms = host.clock.now + 3600 * 1000, details = {},
    }
    client = require "bascule.ghl.client"
  end)

  local function answer(status, body, headers)
    host.answer { status = status, body = json.encode(body or {}), headers = headers }
  end

  local function answer_refresh()
    answer(200, { access_token = "at2", refresh_token = "rt2", expires_in = 86399, locationId = "loc1" })
  end

  local function put()
    return client.request {
      method = "PUT", path = "/conversations/messages/m1/status", location = "loc1", body = { status = "pending" },
    }
  end

  local function get()
    return client.request { path = "/contacts/c1", query = { number = "+63" }, location = "loc1" }
  end

  it("sends token, version and JSON", function()
    answer(200, { messageId = "m1", traceId = "t1" })
    local result = put()
    assert.are.same({ status = 200, body = { messageId = "m1", traceId = "t1" }, trace_id = "t1" }, result)
    local request = host.requests[1]
    assert.are.equal("PUT", request.method)
    assert.are.equal("https://ghl.example/conversations/messages/m1/status", request.url)
    assert.are.equal("Bearer at1", request.headers.authorization)
    assert.are.equal("2021-04-15", request.headers.version)
    assert.are.equal("application/json", request.headers["content-type"])
    assert.are.equal('{"status":"pending"}', request.body)
    assert.are.same({ "entered", "answered" }, host.gates["ghl:loc1"])
  end)

  it("sends the other version elsewhere, and no body with a GET", function()
    answer(200, {})
    get()
    local request = host.requests[1]
    assert.are.equal("2021-07-28", request.headers.version)
    assert.are.equal("https://ghl.example/contacts/c1?number=%2B63", request.url)
    assert.is_nil(request.body)
    assert.is_nil(request.headers["content-type"])
  end)

  it("renews the token once on 401 and asks again", function()
    answer(401, { statusCode = 401, message = "Invalid token: access token is invalid", error = "Unauthorized" })
    answer_refresh()
    answer(200, {})
    assert.is_truthy(put())
    assert.are.equal("Bearer at2", host.requests[3].headers.authorization)
  end)

  it("does not renew for ever", function()
    answer(401, { message = "no" })
    answer_refresh()
    answer(401, { message = "no" })
    local result, fault = put()
    assert.is_nil(result)
    assert.are.equal("REFUSED", fault.name)
    assert.are.equal(401, fault.status)
    answer(401, { message = "no" })
    fault = select(2, put())
    assert.are.equal("CLOSED", fault.name)
    assert.are.equal(4, #host.requests)
  end)

  for _, status in ipairs { 401, 403 } do
    it(("tells an early %d and refreshes nothing"):format(status), function()
      answer(status, { statusCode = status, message = "No conversation provider found for this message" })
      local result, fault = put()
      assert.is_nil(result)
      assert.are.equal("EARLY", fault.name)
      assert.are.equal(1, #host.requests)
      assert.are.same({ "entered", "answered" }, host.gates["ghl:loc1"])
    end)
  end

  local limits = {
    { "429 without a time", 429, {}, 10000, "RETRYABLE" },
    { "429 with Retry-After", 429, { ["retry-after"] = "3" }, 3000, "RETRYABLE" },
    { "429 with the interval", 429, { ["x-ratelimit-interval-milliseconds"] = "7000" }, 7000, "RETRYABLE" },
    { "a good answer with nothing left", 200,
      { ["x-ratelimit-remaining"] = "0", ["x-ratelimit-interval-milliseconds"] = "9000" }, 9000 },
    { "the day's limit used up", 200, { ["x-ratelimit-daily-remaining"] = "0" }, 900000 },
  }
  for _, row in ipairs(limits) do
    it("pauses the location's gate after " .. row[1], function()
      answer(row[2], {}, row[3])
      local result, fault = put()
      assert.are.same({ "entered", "paused " .. row[4] }, host.gates["ghl:loc1"])
      if row[5] then
        assert.are.equal(row[5], fault.name)
        assert.are.equal(row[4], fault.retry_after_ms)
      else
        assert.is_truthy(result)
      end
    end)
  end

  it("asks nothing while the gate is closed, and says for how long", function()
    host.closed["ghl:loc1"] = 1234
    local result, fault = put()
    assert.is_nil(result)
    assert.are.equal("CLOSED", fault.name)
    assert.are.equal(1234, fault.retry_after_ms)
    assert.are.equal(0, #host.requests)
  end)

  it("repeats a GET that failed by GHL's fault, with waits", function()
    answer(502)
    host.answer { error = "reset", name = "CLOSED", sent = true }
    answer(200, { contact = {} })
    local started = host.clock.now
    assert.is_truthy(get())
    assert.are.equal(3, #host.requests)
    assert.are.equal(1250, host.clock.now - started)
    assert.are.same({ "entered", "failed", "entered", "failed", "entered", "answered" }, host.gates["ghl:loc1"])
  end)

  it("leaves the repeating of a PUT to the queue, and never repeats what is refused", function()
    answer(502)
    local _, fault = put()
    assert.are.equal("RETRYABLE", fault.name)
    answer(422, { statusCode = 422, message = json.array { "a is wrong", "b is wrong" } })
    _, fault = get()
    assert.are.equal("REFUSED", fault.name)
    assert.are.equal("GHL answered 422: a is wrong; b is wrong", fault.reason)
    assert.are.equal(2, #host.requests)
  end)

  it("passes on why there is no token", function()
    local _, fault = client.request { path = "/contacts/c1", location = "loc9" }
    assert.are.equal("NOT_CONNECTED", fault.name)
    require("host.store").installation_set_status { company = "co1", location = "loc1", status = "removed" }
    _, fault = get()
    assert.are.equal("REMOVED", fault.name)
  end)

  it("logs GHL's trace id and no token", function()
    answer(400, { message = "no", traceId = "trace1" })
    put()
    assert.are.equal("trace1", host.logged("GHL call failed").fields.trace_id)
    assert.is_nil(json.encode(host.logs):find("at1", 1, true))
  end)
end)
