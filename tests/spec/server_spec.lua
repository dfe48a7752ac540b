local fake_host = require "support.fake_host"

describe("server", function()
  local host

  before_each(function()
    host = fake_host.new()
  end)

  it("answers an unknown path in the one error shape", function()
    local answer = host.call("GET", "/nowhere")
    assert.are.equal(404, answer.status)
    assert.are.same({ code = "not_found", message = "There is nothing at this path.", request_id = "r1" },
      answer.json.error)
  end)

  it("answers a wrong method with what is allowed", function()
    local answer = host.call("GET", "/webhooks/ghl")
    assert.are.equal(405, answer.status)
    assert.are.equal("POST", answer.headers.allow)
    assert.are.equal("method_not_allowed", answer.json.error.code)
    assert.are.equal("GET, HEAD, PUT", host.call("POST", "/admin/v1/locations/l/settings").headers.allow)
  end)

  it("answers HEAD as GET without the body, and forgives a trailing slash", function()
    local answer = host.call("HEAD", "/health/")
    assert.are.equal(200, answer.status)
    assert.are.equal("", answer.body)
  end)

  it("has a handler under every route of the interface", function()
    local routes = {}
    for _, route in ipairs(require "bascule.routes") do
      routes[route[1] .. " " .. route[2]] = true
    end
    for _, expected in ipairs {
      "POST /webhooks/ghl", "POST /webhook", "POST /api/webhooks/ghl", "POST /api/ghl/v1/webhook/messages",
      "GET /install", "GET /oauth-callback", "GET /oauth/callback", "GET /api/oauth/callback",
      "GET /oauth/callback/highlevel", "GET /ghl/callback", "GET /health", "GET /healthz", "GET /readyz",
      "GET /metrics", "GET /admin/v1/messages", "GET /admin/v1/messages/:id", "POST /admin/v1/messages/:id/replay",
      "GET /admin/v1/scripts", "POST /admin/v1/reload", "GET /admin/v1/installations",
    } do
      assert.is_true(routes[expected], expected)
    end
  end)
end)

describe("health", function()
  local host

  before_each(function()
    host = fake_host.new()
  end)

  it("tells status, version and uptime", function()
    host.clock.now = host.clock.now + 5500
    local answer = host.call("GET", "/health")
    assert.are.equal(0, answer.json.uptime, "counted from when the module was loaded first")
    host.clock.now = host.clock.now + 5500
    answer = host.call("GET", "/health")
    assert.are.same({ status = "ok", version = "0.1.0", uptime = 5 }, answer.json)
  end)

  it("is ready while it can commit and does not drain", function()
    assert.are.equal(200, host.call("GET", "/readyz").status)
    host.accepts = false
    assert.are.equal(503, host.call("GET", "/readyz").status)
    host.accepts = true
    host.clock.now = host.clock.now + 1000
    host.faults.probe = "FULL"
    local answer = host.call("GET", "/readyz")
    assert.are.equal(503, answer.status)
    assert.are.equal("not_ready", answer.json.error.code)
  end)

  it("shows metrics as Prometheus reads them", function()
    local answer = host.call("GET", "/metrics")
    assert.are.equal("text/plain; version=0.0.4; charset=utf-8", answer.headers["content-type"])
    assert.is_truthy(answer.body:find("# TYPE", 1, true))
  end)
end)
