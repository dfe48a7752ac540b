local fake_host = require "support.fake_host"
local json = require "support.fake_json"

describe("webhooks", function()
  local host

  before_each(function()
    host = fake_host.new()
  end)

  local function payload(changes)
    local fields = {
      contactId = "ct1",
      locationId = "loc1",
      messageId = "msg1",
      type = "SMS",
      phone = "+639171234567",
      message = "Kumusta",
      attachments = json.array {},
      userId = "usr1",
    }
    for name, value in pairs(changes or {}) do
      fields[name] = value
    end
    return fields
  end

  local function without(name)
    local fields = payload()
    fields[name] = nil
    return fields
  end

  local function post(body, path, headers)
    body = type(body) == "table" and json.encode(body) or body
    return host.call("POST", path or "/webhooks/ghl", {
      body = body,
      headers = headers or { ["x-ghl-signature"] = "good" },
    })
  end

  local email = {
    contactId = "ct1", locationId = "loc1", messageId = "e1", type = "Email", emailMessageId = "em1",
    emailTo = json.array { "a@example.com" }, emailFrom = "b@example.com", html = "<p>Hi</p>", subject = "Hi",
  }

  local queued = {
    ["the SMS sample"] = payload(),
    ["type Custom"] = payload { type = "Custom" },
    ["no userId"] = without "userId",
    ["attachments only"] = payload { message = "", attachments = json.array { "https://files.example/a.png" } },
    ["attachments without a message"] = payload { message = json.null, attachments = json.array { "https://f/a" } },
    ["no attachments field"] = without "attachments",
    ["attachments null"] = payload { attachments = json.null },
    ["unknown fields"] = payload { surprise = { nested = json.array { 1, 2.5, json.null } }, webhookId = "w" },
    ["unicode"] = payload { message = "Mabuhay 🇵🇭 ₱100 ñ" },
    ["64 KB of text"] = payload { message = ("x"):rep(65536) },
    ["no contact"] = without "contactId",
  }
  for name, fields in pairs(queued) do
    it("keeps " .. name .. " byte for byte", function()
      local body = json.encode(fields)
      local answer = post(body)
      assert.are.equal(200, answer.status, answer.body)
      assert.are.equal("queued", answer.json.status)
      local message = host.data.messages[answer.json.id]
      assert.are.equal(body, message.payload)
      assert.are.equal("outbound", message.direction)
      assert.are.same({ "loc1" }, host.woken)
    end)
  end

  it("tells how the message came", function()
    local message = host.data.messages[post(payload()).json.id]
    assert.are.same({ request_id = "r1", key = "Ed25519 5a2c1b27", generation = "g1" }, message.received)
  end)

  it("keeps order by conversation, else contact, else number", function()
    local function conversation(fields)
      return host.data.messages[post(fields).json.id].conversation
    end
    assert.are.equal("cv1", conversation(payload { conversationId = "cv1" }))
    assert.are.equal("ct1", conversation(payload { messageId = "msg2" }))
    local fields = without "contactId"
    fields.messageId = "msg3"
    assert.are.equal("+639171234567", conversation(fields))
  end)

  it("answers the same message twice with one id", function()
    local first, again = post(payload()), post(payload())
    assert.are.equal("duplicate", again.json.status)
    assert.are.equal(200, again.status)
    assert.are.equal(first.json.id, again.json.id)
    assert.are.equal(1, #host.woken)
  end)

  for _, path in ipairs { "/webhook", "/api/webhooks/ghl", "/api/ghl/v1/webhook/messages" } do
    it("answers under " .. path, function()
      assert.are.equal("queued", post(payload(), path).json.status)
    end)
  end

  it("takes the older header", function()
    assert.are.equal(200, post(payload(), nil, { ["x-wh-signature"] = "good" }).status)
  end)

  it("acknowledges and ignores e-mail", function()
    local custom = payload { type = "Custom", phone = json.null, emailTo = json.array { "a@example.com" } }
    for _, fields in ipairs { email, custom } do
      local answer = post(fields)
      assert.are.equal(200, answer.status)
      assert.are.equal("ignored", answer.json.status)
      assert.is_truthy(answer.json.reason)
    end
    assert.are.equal(0, #host.data.messages)
  end)

  describe("refuses", function()
    local bad = {
      { "no messageId", without "messageId", "missing_field", "messageId" },
      { "an empty messageId", payload { messageId = "" }, "missing_field", "messageId" },
      { "no locationId", without "locationId", "missing_field", "locationId" },
      { "no phone", without "phone", "missing_field", "phone" },
      { "Custom without phone or e-mail", payload { type = "Custom", phone = json.null }, "missing_field", "phone" },
      { "no type", without "type", "missing_field", "type" },
      { "neither text nor attachment", payload { message = "" }, "missing_field", "message" },
      { "a number for a location", payload { locationId = 5 }, "invalid_field", "locationId" },
      { "a list for a text", payload { message = json.array { "a" } }, "invalid_field", "message" },
      { "a text for attachments", payload { attachments = "https://f/a" }, "invalid_field", "attachments" },
      { "an attachment that is no text", payload { attachments = json.array { "a", 5 } }, "invalid_field",
        "attachments[1]" },
      { "a messageId beyond all measure", payload { messageId = ("m"):rep(121) }, "invalid_field", "messageId" },
      { "no JSON", "{", "invalid_json", "" },
      { "an empty body", "", "invalid_json", "" },
      { "a list", "[]", "missing_field", "type" },
      { "a number", "5", "invalid_json", "object" },
      { "null", "null", "invalid_json", "object" },
      { "what follows the value", "{} x", "invalid_json", "" },
    }
    for _, row in ipairs(bad) do
      it(row[1], function()
        local answer = post(row[2])
        assert.are.equal(400, answer.status, answer.body)
        assert.are.equal(row[3], answer.json.error.code)
        assert.is_truthy(answer.json.error.message:find(row[4], 1, true), answer.json.error.message)
        assert.are.equal(0, #host.data.messages)
      end)
    end

    it("a missing and a wrong signature, and counts and logs them without the body", function()
      for signature, code in pairs { [""] = "missing_signature", wrong = "invalid_signature" } do
        local answer = post(payload { message = "secret words" }, nil, { ["x-ghl-signature"] = signature })
        assert.are.equal(401, answer.status)
        assert.are.equal(code, answer.json.error.code)
        assert.are.equal(1, host.metrics["bascule_webhooks_refused_total{reason=" .. code .. "}"])
      end
      assert.are.equal(401, post(payload(), nil, {}).status)
      for _, line in ipairs(host.logs) do
        assert.is_nil(json.encode(line):find("secret words", 1, true))
      end
    end)
  end)

  describe("answers 429 with Retry-After", function()
    local function is_later(answer)
      assert.are.equal(429, answer.status)
      assert.is_true(tonumber(answer.headers["retry-after"]) > 0)
    end

    it("while it drains or is full", function()
      host.accepts = false
      is_later(post(payload()))
    end)

    for _, name in ipairs { "BUSY", "FULL", "FAILED" } do
      it("where the store says " .. name, function()
        host.faults.message_accept = name
        is_later(post(payload()))
        host.faults.message_accept = nil
        assert.are.equal("queued", post(payload()).json.status)
      end)
    end
  end)

  describe("the secret in the path", function()
    local secret = "a-long-secret-of-the-operator"

    it("is off by default", function()
      assert.are.equal(404, post(payload(), "/webhooks/ghl/" .. secret, {}).status)
      assert.is_nil(host.metrics["bascule_webhooks_refused_total{reason=path_secret}"])
    end)

    it("is a way in without a signature, and is never logged", function()
      host.config.BASCULE_WEBHOOK_PATH_SECRET = secret
      local answer = post(payload(), "/webhooks/ghl/" .. secret, {})
      assert.are.equal("queued", answer.json.status)
      assert.are.equal("path secret", host.data.messages[answer.json.id].received.key)
      assert.are.equal(404, post(payload(), "/webhooks/ghl/another", {}).status)
      for _, line in ipairs(host.logs) do
        assert.is_nil(json.encode(line):find(secret, 1, true))
      end
    end)
  end)
end)

describe("platform events", function()
  local host

  before_each(function()
    host = fake_host.new()
  end)

  local function post(fields)
    return host.call("POST", "/webhooks/ghl", {
      body = json.encode(fields),
      headers = { ["x-ghl-signature"] = "good" },
    })
  end

  local function install(company, location, changes)
    local installation = {
      company = company, location = location, status = "connected", access_token = "at",
      expires_ms = host.clock.now + 24 * 3600 * 1000, details = { connected_ms = host.clock.now },
    }
    for name, value in pairs(changes or {}) do
      installation[name] = value
    end
    require("host.store").installation_put(installation)
  end

  local function status(location)
    local installation = require("host.store").installation_get(nil, location)
    return installation and installation.status
  end

  it("of other types are acknowledged and ignored", function()
    local answer = post { type = "ContactCreate", locationId = "loc1", id = "ct1" }
    assert.are.equal(200, answer.status)
    assert.are.equal("ignored", answer.json.status)
    assert.are.equal("ignored", post({ type = "message", locationId = "loc1" }).json.status)
  end)

  it("are ours by the configured id of the app", function()
    host.config.GHL_APP_ID = "other"
    install("co1", "loc1")
    assert.are.equal("removed", post({ type = "UNINSTALL", appId = "other", locationId = "loc1" }).json.status)
  end)

  it("of another app are ignored", function()
    install("co1", "loc1")
    assert.are.equal("ignored", post({ type = "UNINSTALL", appId = "other", locationId = "loc1" }).json.status)
    assert.are.equal("connected", status "loc1")
  end)

  it("UNINSTALL removes a location, durably before the 200", function()
    install("co1", "loc1")
    host.faults.installation_set_status = "BUSY"
    assert.are.equal(429, post({ type = "UNINSTALL", appId = "app1", locationId = "loc1" }).status)
    host.faults.installation_set_status = nil
    local answer = post { type = "UNINSTALL", appId = "app1", locationId = "loc1" }
    assert.are.equal("removed", answer.json.status)
    assert.are.equal("removed", status "loc1")
  end)

  it("UNINSTALL of a company removes what was minted from it and leaves what connected by itself", function()
    install("co1", "")
    install("co1", "minted", { details = { minted = true } })
    install("co1", "own")
    assert.are.equal("removed", post({ type = "UNINSTALL", appId = "app1", companyId = "co1" }).json.status)
    assert.are.equal("removed", status "minted")
    assert.are.equal("connected", status "own")
    assert.are.equal("removed", require("host.store").installation_get("co1", "").status)
  end)

  it("UNINSTALL that is older than the connection undoes nothing", function()
    install("co1", "loc1")
    local answer = post {
      type = "UNINSTALL", appId = "app1", locationId = "loc1", timestamp = "2020-01-01T00:00:00.000Z",
    }
    assert.are.equal("ignored", answer.json.status)
    assert.are.equal("connected", status "loc1")
  end)

  it("UNINSTALL of what is not known is ignored", function()
    assert.are.equal("ignored", post({ type = "UNINSTALL", appId = "app1", locationId = "loc9" }).json.status)
    assert.are.equal("ignored", post({ type = "UNINSTALL", appId = "app1", companyId = "co9" }).json.status)
  end)

  it("INSTALL of a location whose company is connected mints its token", function()
    install("co1", "")
    host.answer {
      status = 200,
      body = json.encode { access_token = "loc-token", expires_in = 86399, userId = "u", locationId = "loc1" },
    }
    local answer = post { type = "INSTALL", appId = "app1", companyId = "co1", locationId = "loc1" }
    assert.are.equal("connected", answer.json.status)
    assert.are.equal("loc-token", require("host.store").installation_get(nil, "loc1").access_token)
  end)

  it("INSTALL keeps the location for later where minting fails now", function()
    install("co1", "")
    host.answer { status = 503, body = "{}" }
    assert.are.equal(200, post({ type = "INSTALL", companyId = "co1", locationId = "loc1" }).status)
    assert.are.equal("connected", status "loc1")
  end)

  it("INSTALL before the callback is acknowledged and loses nothing", function()
    local answer = post { type = "INSTALL", appId = "app1", companyId = "co1", locationId = "loc1" }
    assert.are.equal(200, answer.status)
    assert.are.equal("noted", answer.json.status)
    assert.is_nil(status "loc1")
    assert.are.equal(0, #host.requests)
  end)

  it("INSTALL connects a removed location again", function()
    install("co1", "")
    install("co1", "loc1", { status = "removed" })
    host.answer { status = 200, body = json.encode { access_token = "again", expires_in = 86399 } }
    post { type = "INSTALL", companyId = "co1", locationId = "loc1" }
    assert.are.equal("connected", status "loc1")
  end)
end)
