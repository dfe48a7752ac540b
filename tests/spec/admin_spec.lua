local fake_host = require "support.fake_host"
local json = require "support.fake_json"

describe("admin", function()
  local host, store

  before_each(function()
    host = fake_host.new()
    store = require "host.store"
  end)

  local function call(method, target, body)
    return host.call(method, "/admin/v1" .. target, {
      body = body and json.encode(body),
      headers = { authorization = "Bearer admin-token" },
    })
  end

  local function accept(external_id)
    return (store.message_accept {
      direction = "outbound", location = "loc1", external_id = external_id or "msg1", conversation = "ct1",
      payload = '{"message":"Kumusta","attachments":[]}', received = { request_id = "r0" },
    })
  end

  describe("is closed", function()
    it("without a token configured", function()
      host.config.BASCULE_ADMIN_TOKEN = nil
      assert.are.equal(403, call("GET", "/messages").status)
    end)

    for _, header in ipairs { "", "Bearer wrong", "Basic admin-token", "admin-token", "Bearer " } do
      it("to " .. (header == "" and "nobody" or header), function()
        local answer = host.call("GET", "/admin/v1/messages", { headers = { authorization = header } })
        assert.are.equal(401, answer.status)
        assert.is_truthy(answer.headers["www-authenticate"])
      end)
    end

    it("under every path", function()
      for _, route in ipairs(require "bascule.routes") do
        if route[2]:find("^/admin") then
          local answer = host.call(route[1], (route[2]:gsub(":%w+", "x")))
          assert.are.equal(401, answer.status, route[2])
        end
      end
    end)
  end)

  describe("messages", function()
    it("are listed with what the interface names", function()
      local id = accept()
      local answer = call("GET", "/messages?limit=3&cursor=&status=queued&q=number%203&location=loc1")
      assert.are.equal(200, answer.status)
      local message = answer.json.messages[1]
      assert.are.equal(id, message.id)
      assert.are.equal("msg1", message.external_id)
      assert.are.equal("queued", message.status)
      assert.are.equal("outbound", message.direction)
      assert.are.equal("2026-01-02T03:04:05.000Z", message.created_at)
      assert.are.equal(json.null, answer.json.next)
      assert.are.same({ state = "queued", location = "loc1", query = "number 3", limit = 3 }, host.data.filter)
    end)

    it("are an empty list where there are none", function()
      assert.are.equal('{"messages":[],"next":null}', call("GET", "/messages").body)
    end)

    for target, hint in pairs {
      ["?status=dedd"] = "did you mean 'dead'",
      ["?statuss=dead"] = "did you mean 'status'",
      ["?limit=0"] = "1 to 500",
      ["?limit=x"] = "1 to 500",
    } do
      it("refuse " .. target, function()
        local answer = call("GET", "/messages" .. target)
        assert.are.equal(400, answer.status)
        assert.is_truthy(answer.json.error.message:find(hint, 1, true), answer.json.error.message)
      end)
    end

    it("refuse a cursor that no list gave", function()
      host.faults.message_list = "NOT_FOUND"
      local answer = call("GET", "/messages?cursor=xx")
      assert.are.equal(400, answer.status)
      assert.are.equal("cursor is none that a list gave", answer.json.error.message)
    end)

    it("are kept by no cache", function()
      assert.are.equal("no-store", call("GET", "/messages").headers["cache-control"])
    end)

    it("are shown with payload and timeline", function()
      local id = accept()
      local kept = host.data.messages[id]
      kept.events[2] = { at_ms = host.clock.now, kind = "attempt", data = { outcome = "accepted", parts = 1 } }
      local shown = call("GET", "/messages/" .. id).json
      assert.are.equal("Kumusta", shown.payload.message)
      assert.are.same({
        { at = "2026-01-02T03:04:05.000Z", kind = "received", request_id = "r0" },
        { at = "2026-01-02T03:04:05.000Z", kind = "attempt", outcome = "accepted", parts = 1 },
      }, shown.events)
      assert.are.equal(404, call("GET", "/messages/m0000000000000").status)
    end)

    it("are replayed where they are dead", function()
      local id = accept()
      assert.are.equal(409, call("POST", "/messages/" .. id .. "/replay").status)
      host.data.messages[id].state = "dead"
      assert.are.equal(202, call("POST", "/messages/" .. id .. "/replay").status)
      assert.are.same({ "loc1" }, host.woken)
      assert.are.equal(404, call("POST", "/messages/m0000000000000/replay").status)
    end)

    it("wait for a busy store", function()
      host.faults.message_list = "BUSY"
      assert.are.equal(429, call("GET", "/messages").status)
      host.faults.message_list = "FAILED"
      assert.are.equal(500, call("GET", "/messages").status)
    end)
  end)

  describe("scripts", function()
    it("are shown, reloaded, and rolled back", function()
      local shown = call("GET", "/scripts").json
      assert.are.equal("g1", shown.generation)
      assert.are.same({
        path = "acme/rules.lua",
        last_error = "line 3",
        last_error_at = "then",
        last_error_excerpt = "> 3 | x",
      }, shown.files[1])
      assert.are.equal("reloaded", call("POST", "/reload").json.status)
      host.reload = { false }
      assert.are.equal("unchanged", call("POST", "/reload").json.status)
      host.reload = { nil, "REFUSED: acme/rules.lua:3: '=' expected", "REFUSED" }
      local refused = call("POST", "/reload")
      assert.are.equal(422, refused.status)
      assert.are.equal("acme/rules.lua:3: '=' expected", refused.json.error.message)
      assert.are.equal("> 3 | x", refused.json.error.excerpt)
      assert.are.equal(200, call("POST", "/scripts/rollback").status)
      assert.are.equal("the one before", host.rolled_back)
      call("POST", "/scripts/rollback", { id = "g0" })
      assert.are.equal("g0", host.rolled_back)
      assert.are.equal(400, call("POST", "/scripts/rollback", { id = 5 }).status)
    end)
  end)

  describe("installations", function()
    before_each(function()
      store.installation_put {
        company = "co1", location = "loc1", status = "connected", access_token = "secret-at",
        refresh_token = "secret-rt", expires_ms = host.clock.now + 3600 * 1000, scopes = "a b",
        user_type = "Location", details = { name = "Shop" },
      }
    end)

    it("are listed without secrets", function()
      local answer = call("GET", "/installations")
      assert.are.same({ {
        company = "co1", location = "loc1", name = "Shop", status = "connected", scopes = "a b", user_type = "Location",
        expires_at = "2026-01-02T04:04:05.000Z",
      } }, answer.json.installations)
      assert.is_nil(answer.body:find("secret", 1, true))
    end)

    it("are tested by a call to GHL with their token", function()
      host.answer { status = 200, body = '{"conversations":[],"total":0}' }
      local answer = call("POST", "/installations/loc1/test")
      assert.are.equal(200, answer.status)
      assert.are.same({ status = "connected", location = "loc1" }, answer.json)
      assert.are.equal("https://ghl.example/conversations/search?limit=1&locationId=loc1", host.requests[1].url)
      assert.are.equal("Bearer secret-at", host.requests[1].headers.authorization)
      host.answer { status = 422, body = '{"statusCode":422,"message":["no such location"]}' }
      answer = call("POST", "/installations/loc1/test")
      assert.are.equal(502, answer.status)
      assert.are.equal("GHL answered 422: no such location", answer.json.error.message)
      assert.are.equal(404, call("POST", "/installations/loc9/test").status)
    end)

    it("are refreshed and disconnected", function()
      host.answer { status = 200, body = json.encode { access_token = "at2", refresh_token = "rt2", expires_in = 9e4 } }
      assert.are.equal(200, call("POST", "/locations/loc1/refresh").status)
      assert.are.equal("at2", store.installation_get(nil, "loc1").access_token)
      assert.are.equal(200, call("POST", "/locations/loc1/disconnect").status)
      assert.are.equal("removed", store.installation_get(nil, "loc1").status)
      local answer = call("POST", "/installations/loc1/test")
      assert.are.equal(409, answer.status)
      assert.are.equal("removed", answer.json.error.code)
      assert.are.equal(404, call("POST", "/companies/co9/disconnect").status)
      assert.are.equal(404, call("POST", "/locations/loc9/refresh").status)
    end)
  end)

  describe("settings", function()
    local key = "cast_" .. ("0123456789abcdef"):rep(4)

    it("are written, read with secrets masked, and removed by null", function()
      local answer = call("PUT", "/locations/loc1/settings", { sender_id = "ACME", cast_api_key = key,
        cast_message_limit = 300, rule_greeting = "Hi" })
      assert.are.equal(200, answer.status, answer.body)
      assert.are.same({
        sender_id = "ACME", cast_api_key = "cast_0123456...", cast_message_limit = "300", rule_greeting = "Hi",
      }, answer.json.settings)
      assert.are.same({ cast_api_key = true }, host.data.settings["location:loc1"].secrets)
      call("PUT", "/locations/loc1/settings", { sender_id = json.null })
      answer = call("GET", "/locations/loc1/settings")
      assert.is_nil(answer.json.settings.sender_id)
      assert.are.equal("cast_0123456...", answer.json.settings.cast_api_key)
      assert.is_nil(json.encode(host.logs):find("0123456", 1, true))
    end)

    it("mask a short secret whole", function()
      local answer = call("PUT", "/locations/loc1/settings", { cast_api_key = "cast_slow_key" })
      assert.are.equal("...", answer.json.settings.cast_api_key)
    end)

    local wrong = {
      { { sender_di = "A" }, "unknown setting 'sender_di'; did you mean 'sender_id'?" },
      { { sender_id = "" }, "sender_id must have 1 to 20 characters" },
      { { sender_id = true }, "sender_id must be text" },
      { { default_region = "ph" }, "default_region must be two capital letters" },
      { { cast_number_format = "E164" }, "cast_number_format must be one of: national, e164" },
      { { cast_message_limit = 0 }, "cast_message_limit must be a whole number from 1 to 10000" },
      { { cast_path_prefix = "//evil" }, "cast_path_prefix must be one of" },
      { { sender_id = "ACME\nX" }, "sender_id must not have control characters" },
    }
    for _, row in ipairs(wrong) do
      it("refuse: " .. row[2], function()
        row[1].cast_api_key = key
        local answer = call("PUT", "/locations/loc1/settings", row[1])
        assert.are.equal(400, answer.status)
        assert.is_truthy(answer.json.error.message:find(row[2], 1, true), answer.json.error.message)
        assert.is_nil(host.data.settings["location:loc1"], "nothing was written")
      end)
    end

    for _, wrong_key in ipairs { "a\r\nX-Evil: 1", "a\0", "a b", "ä" } do
      it(("refuse a key that no header can carry: %q"):format(wrong_key), function()
        local answer = call("PUT", "/locations/loc1/settings", { cast_api_key = wrong_key })
        assert.are.equal(400, answer.status)
        assert.are.equal("cast_api_key must be visible ASCII characters", answer.json.error.message)
      end)
    end

    it("count characters, not bytes", function()
      assert.are.equal(200, call("PUT", "/locations/loc1/settings", { sender_id = ("ä"):rep(20) }).status)
    end)

    for body, advice in pairs {
      ["5"] = "the body must be a JSON object",
      ["[\"sender_id\"]"] = "the body must be a JSON object",
      ["{}"] = "the body names no setting",
      [""] = "the body names no setting",
    } do
      it("refuse the body " .. body, function()
        local options = { body = body, headers = { authorization = "Bearer admin-token" } }
        local answer = host.call("PUT", "/admin/v1/locations/loc1/settings", options)
        assert.are.equal(400, answer.status)
        assert.are.equal(advice, answer.json.error.message)
      end)
    end
  end)
end)
