local fake_host = require "support.fake_host"
local json = require "support.fake_json"

describe("rules by the admin API", function()
  local host

  before_each(function()
    host = fake_host.new()
  end)

  local function call(method, target, body, accept)
    return host.call(method, "/admin/v1/agencies" .. target, {
      body = body and json.encode(body),
      headers = { authorization = "Bearer admin-token", accept = accept },
    })
  end

  local function publish(source, fields)
    fields = fields or {}
    fields.source = source
    return call("PUT", "/acme/rules", fields)
  end

  local function published(source, fields)
    local answer = publish(source, fields)
    assert.are.equal(200, answer.status, answer.body)
    return answer.json
  end

  local function refused(status, code, answer)
    assert.are.equal(status, answer.status, answer.body)
    assert.are.equal(code, answer.json.error.code)
    return answer.json.error
  end

  local function versions()
    return host.data.versions.acme
  end

  describe("publish", function()
    it("answers what runs", function()
      assert.are.same(
        { agency = "acme", version = 1, hash = "one", mode = "live", generation = "g1" },
        published("one", { by = "ana", note = "a beginning" })
      )
      assert.are.equal("ana", versions()[1].by)
      assert.are.equal("a beginning", versions()[1].note)
      published "two"
      assert.are.equal("admin", versions()[2].by)
      assert.is_truthy(host.logged "rules published")
    end)

    it("logs no text of rules", function()
      published "secret text"
      for _, line in ipairs(host.logs) do
        for _, value in pairs(line.fields) do
          assert.is_nil(tostring(value):find "secret text")
        end
      end
    end)

    it("stores nothing that is refused, and says where", function()
      function host.check()
        return nil, "REFUSED: acme/rules.lua:3: what", "REFUSED", { file = "acme/rules.lua", line = 3, excerpt = "> 3" }
      end
      local fault = refused(422, "refused", publish "x")
      assert.are.equal("acme/rules.lua:3: what", fault.message)
      assert.are.same({ "acme/rules.lua", 3, "> 3" }, { fault.file, fault.line, fault.excerpt })
      assert.is_nil(versions())
    end)

    it("tells a conflict, and a store that is busy", function()
      published "one"
      refused(409, "conflict", publish("two", { expected_version = 7 }))
      host.faults.rules_add = "BUSY"
      assert.are.equal(429, publish("two").status)
    end)

    it("says so where the process does not run it", function()
      function host.running()
        return {}
      end
      refused(500, "not_running", publish "one")
    end)

    for words, body in pairs {
      ["source is needed"] = {},
      ["unknown field 'sorce'; did you mean 'source'?"] = { sorce = "x" },
      ["unknown mode 'canray'; did you mean 'canary'?"] = { source = "x", mode = "canray" },
      ["a canary needs percent"] = { source = "x", mode = "canary" },
      ["percent is for mode canary"] = { source = "x", percent = 4 },
      ["runs no rules that a candidate could be tried beside"] = { source = "x", mode = "shadow" },
      ["percent must be a whole number"] = { source = "x", mode = "canary", percent = 1.5 },
      ["note must be text"] = { source = "x", note = 5 },
      ["note must be at most 500 bytes"] = { source = "x", note = ("x"):rep(501) },
    } do
      it("refuses: " .. words, function()
        local fault = refused(400, "invalid_request", call("PUT", "/acme/rules", body))
        assert.is_truthy(fault.message:find(words, 1, true), fault.message)
      end)
    end

    it("refuses what is larger than the limit", function()
      host.config.BASCULE_RULES_LIMIT_BYTES = 10
      published(("x"):rep(10))
      refused(413, "too_large", publish(("x"):rep(11)))
    end)

    for _, slug in ipairs { "Acme", "default", "-a", "a.b", ("a"):rep(65) } do
      it("refuses the agency " .. slug:sub(1, 10), function()
        refused(400, "invalid_request", call("PUT", "/" .. slug .. "/rules", { source = "x" }))
      end)
    end
  end)

  describe("candidates", function()
    before_each(function()
      published "live"
      published("candidate", { mode = "canary", percent = 10 })
    end)

    it("go live where they still fit", function()
      function host.check()
        return nil, "REFUSED: no", "REFUSED", { file = "acme/rules.lua" }
      end
      refused(422, "refused", call("POST", "/acme/promote"))
      function host.check(_, source)
        return source
      end
      local answer = call("POST", "/acme/promote", { by = "ana" })
      assert.are.same({ 200, 2, "live" }, { answer.status, answer.json.version, answer.json.mode })
      local old, new = versions()[1], versions()[2]
      assert.are.same({ "superseded", "live", "ana" }, { old.mode, new.mode, new.changed_by })
      refused(409, "conflict", call("POST", "/acme/promote"))
    end)

    it("end with a reason", function()
      assert.are.equal("withdrawn", call("POST", "/acme/withdraw", { reason = "no need" }).json.mode)
      assert.are.same({ "withdrawn", "no need" }, { versions()[2].mode, versions()[2].reason })
      refused(409, "conflict", call("POST", "/acme/withdraw"))
    end)

    it("end with what they were tried beside", function()
      assert.are.equal(200, call("DELETE", "/acme/rules").status)
      assert.are.same({ "withdrawn", "withdrawn" }, { versions()[1].mode, versions()[2].mode })
      refused(404, "not_found", call("DELETE", "/acme/rules"))
    end)

    it("that others changed meanwhile are a conflict", function()
      host.faults.rules_set_mode = "CONFLICT"
      refused(409, "conflict", call("POST", "/acme/promote"))
      refused(409, "conflict", call("POST", "/acme/withdraw"))
      refused(409, "conflict", call("DELETE", "/acme/rules"))
    end)
  end)

  describe("history", function()
    before_each(function()
      for _, text in ipairs { "one\n", "two\n", "three\n" } do
        published(text)
      end
    end)

    it("is listed newest first, in pages", function()
      local list = call("GET", "/acme/versions?limit=2").json.versions
      assert.are.same({ 3, 2 }, { list[1].version, list[2].version })
      assert.is_nil(list[1].source)
      assert.are.equal("2026-01-02T03:04:05.000Z", list[1].at)
      assert.are.equal(1, call("GET", "/acme/versions?before=2").json.versions[1].version)
      assert.are.equal("[]", call("GET", "/bravo/versions").body:match '"versions":(%[%])')
      for _, query in ipairs { "?limit=0", "?limit=501", "?limit=x", "?before=x", "?limmit=1" } do
        refused(400, "invalid_request", call("GET", "/acme/versions" .. query))
      end
    end)

    it("has each text", function()
      assert.are.equal("three\n", call("GET", "/acme/rules").json.source)
      assert.are.equal("one\n", call("GET", "/acme/versions/1").json.source)
      refused(404, "not_found", call("GET", "/acme/versions/9"))
      refused(404, "not_found", call("GET", "/bravo/rules"))
      refused(400, "invalid_request", call("GET", "/acme/versions/x"))
    end)

    it("has the rules of a file where none are published", function()
      host.data.versions.bravo = { { agency = "bravo", version = 1, origin = "file", mode = "live", source = "f" } }
      local shown = call("GET", "/bravo/rules").json
      assert.are.same({ "f", "file" }, { shown.source, shown.origin })
    end)

    it("tells what a version changed", function()
      local answer = call("GET", "/acme/versions/3/diff").json
      assert.are.same({ 2, 3 }, { answer.from, answer.to })
      assert.are.equal(
        "--- acme/rules.lua@2\n+++ acme/rules.lua@3\n@@ -1 +1 @@\n-two\n+three\n", answer.difference
      )
      local text = call("GET", "/acme/versions/1/diff?to=3", nil, "text/plain")
      assert.are.equal("text/plain; charset=utf-8", text.headers["content-type"])
      assert.is_truthy(text.body:find("-one\n+three\n", 1, true))
      refused(404, "not_found", call("GET", "/acme/versions/1/diff"))
      refused(400, "invalid_request", call("GET", "/acme/versions/1/diff?to=x"))
    end)

    it("goes back to the version before, or to any", function()
      assert.are.equal(4, call("POST", "/acme/rollback").json.version)
      assert.are.same({ "two\n", "rollback to 2" }, { versions()[4].source, versions()[4].note })
      assert.are.equal(5, call("POST", "/acme/rollback", { version = 1 }).json.version)
      refused(404, "not_found", call("POST", "/acme/rollback", { version = 99 }))
    end)

    it("passes what was withdrawn, and what is the same, on the way back", function()
      versions()[2].mode = "withdrawn"
      published "three\n"
      call("POST", "/acme/rollback")
      assert.are.equal("rollback to 1", versions()[5].note)
    end)

    it("tells a text that is no longer kept", function()
      versions()[1].source = nil
      refused(410, "forgotten", call("POST", "/acme/rollback", { version = 1 }))
      refused(410, "forgotten", call("GET", "/acme/versions/1/diff?to=3"))
      assert.are.equal(json.null, call("GET", "/acme/versions/1").json.source)
    end)
  end)
end)
