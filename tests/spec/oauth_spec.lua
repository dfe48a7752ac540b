local fake_host = require "support.fake_host"
local json = require "support.fake_json"

describe("oauth", function()
  local host, store, http

  before_each(function()
    host = fake_host.new()
    store, http = require "host.store", require "host.http"
  end)

  local location_pair = json.encode {
    access_token = "at1", refresh_token = "rt1", expires_in = 86399, scope = "contacts.readonly", token_type = "Bearer",
    userType = "Location", locationId = "loc1", companyId = "co1", userId = "u1", isBulkInstallation = false,
  }

  local function parts_of(url)
    local base, query = url:match "^([^?]*)%??(.*)$"
    return base, http.parse_form(query)
  end

  local function install()
    local answer = host.call("GET", "/install")
    local _, query = parts_of(answer.headers.location)
    return query.state
  end

  it("sends the browser to GHL with client, redirect, scopes and a state", function()
    local answer = host.call("GET", "/install")
    assert.are.equal(302, answer.status)
    local base, query = parts_of(answer.headers.location)
    assert.are.equal("https://market.example/v2/oauth/chooselocation", base)
    assert.are.equal("code", query.response_type)
    assert.are.equal("app1-suffix", query.client_id)
    assert.are.equal("https://bridge.example/oauth-callback", query.redirect_uri)
    assert.are.equal("contacts.readonly conversations/message.write", query.scope)
    assert.is_truthy(query.state:find ".mac$")
  end)

  it("uses the address that it was called by where none is configured", function()
    host.config.BASCULE_BASE_URL = nil
    local _, query = parts_of(host.call("GET", "/install").headers.location)
    assert.are.equal("https://seen.example/oauth-callback", query.redirect_uri)
  end)

  it("says that it is not configured", function()
    host.config.GHL_CLIENT_ID = nil
    local answer = host.call("GET", "/install")
    assert.are.equal(503, answer.status)
    assert.is_truthy(answer.json.error.message:find "GHL_CLIENT_ID")
  end)

  it("connects a location", function()
    local state = install()
    host.answer { status = 200, body = location_pair }
    local answer = host.call("GET", "/oauth-callback?code=c1&state=" .. state)
    assert.are.equal(200, answer.status)
    assert.are.equal("text/html; charset=utf-8", answer.headers["content-type"])
    assert.is_truthy(answer.body:find "Location loc1 is connected")
    assert.are.same({
      client_id = "app1-suffix", client_secret = "client-secret", grant_type = "authorization_code", code = "c1",
      redirect_uri = "https://bridge.example/oauth-callback",
    }, http.parse_form(host.requests[1].body))
    local installation = store.installation_get("co1", "loc1")
    assert.are.equal("connected", installation.status)
    assert.are.equal("rt1", installation.refresh_token)
    assert.are.equal(host.clock.now + 86399000, installation.expires_ms)
    assert.are.equal("Location", installation.user_type)
  end)

  it("enrolls the locations of a company, page by page", function()
    local pages = { json.array {}, json.array {} }
    for number = 1, 130 do
      local page = pages[number <= 100 and 1 or 2]
      page[#page + 1] = { _id = "l" .. number, name = "Location " .. number, isInstalled = number ~= 130 }
    end
    host.on_request = function(request)
      if request.url:find("/oauth/token", 1, true) then
        local body = { access_token = "cat", refresh_token = "crt", userType = "Company", companyId = "co1",
          expires_in = 86399 }
        return { status = 200, body = json.encode(body) }
      end
      local base, query = parts_of(request.url)
      assert.are.equal("https://ghl.example/oauth/installedLocations", base)
      assert.are.equal("2021-07-28", request.headers.version)
      assert.are.equal("Bearer cat", request.headers.authorization)
      assert.are.same({ "co1", "app1" }, { query.companyId, query.appId })
      assert.are.same({ "true", "100" }, { query.isInstalled, query.limit })
      return { status = 200, body = json.encode { locations = pages[tonumber(query.skip) // 100 + 1], count = 130 } }
    end
    local answer = host.call("GET", "/oauth-callback?code=c1")
    assert.are.equal(200, answer.status, answer.body)
    assert.is_truthy(answer.body:find "129 locations")
    assert.are.equal("Location 129", store.installation_get(nil, "l129").details.name)
    assert.are.equal("connected", store.installation_get("co1", "").status)
    assert.is_nil(store.installation_get(nil, "l130"))
    assert.are.equal(3, #host.requests)
  end)

  it("speaks of one location as one", function()
    local body = { access_token = "cat", userType = "Company", companyId = "co1", expires_in = 9e4 }
    host.answer { status = 200, body = json.encode(body) }
    host.answer { status = 200, body = '{"locations":[{"_id":"l1","isInstalled":true}],"count":1}' }
    local answer = host.call("GET", "/oauth-callback?code=c1")
    assert.is_truthy(answer.body:find("Company co1 is connected, with 1 location.", 1, true), answer.body)
  end)

  it("connects a company also where its locations cannot be listed now", function()
    local body = { access_token = "cat", userType = "Company", companyId = "co1", expires_in = 9e4 }
    host.answer { status = 200, body = json.encode(body) }
    host.answer { status = 400, body = "{}" }
    local answer = host.call("GET", "/oauth-callback?code=c1")
    assert.are.equal(200, answer.status)
    assert.is_truthy(answer.body:find "its locations to follow")
  end)

  for _, path in ipairs {
    "/oauth-callback", "/oauth/callback", "/api/oauth/callback", "/oauth/callback/highlevel", "/ghl/callback",
  } do
    it("answers 400 without a code under " .. path, function()
      local answer = host.call("GET", path)
      assert.are.equal(400, answer.status)
      assert.are.equal("missing_code", answer.json.error.code)
    end)

    it("spends neither code nor state for a HEAD under " .. path, function()
      local answer = host.call("HEAD", path .. "?code=c1")
      assert.are.equal(405, answer.status)
      assert.are.equal("GET", answer.headers.allow)
      assert.are.equal("", answer.body)
      assert.are.equal(0, #host.requests)
    end)

    it("exchanges with the redirect URL that was called: " .. path, function()
      host.answer { status = 200, body = location_pair }
      assert.are.equal(200, host.call("GET", path .. "?code=c1").status)
      assert.are.equal("https://bridge.example" .. path, http.parse_form(host.requests[1].body).redirect_uri)
    end)
  end

  describe("a state", function()
    it("counts once", function()
      local state = install()
      host.answer { status = 200, body = location_pair }
      host.call("GET", "/oauth-callback?code=c1&state=" .. state)
      local again = host.call("GET", "/oauth-callback?code=c2&state=" .. state)
      assert.are.equal(400, again.status)
      assert.are.equal("invalid_state", again.json.error.code)
      assert.are.equal(1, #host.requests)
    end)

    it("is good for fifteen minutes", function()
      local state = install()
      host.clock.now = host.clock.now + 15 * 60 * 1000 + 1
      assert.are.equal(400, host.call("GET", "/oauth-callback?code=c1&state=" .. state).status)
    end)

    it("that is forged is refused without a look into the store", function()
      host.faults.state_take = "FAILED"
      local answer = host.call("GET", "/oauth-callback?code=c1&state=forged")
      assert.are.equal(400, answer.status)
      assert.is_truthy(answer.json.error.message:find "not one of ours")
    end)

    it("may be missing, which is logged, or must not be, by policy", function()
      host.answer { status = 200, body = location_pair }
      assert.are.equal(200, host.call("GET", "/oauth-callback?code=c1").status)
      assert.is_truthy(host.logged "without a state")
      host.config.BASCULE_INSTALL_STATE_POLICY = "require"
      assert.are.equal(400, host.call("GET", "/oauth-callback?code=c1").status)
    end)
  end)

  describe("a failed exchange", function()
    local refused = {
      status = 400, body = json.encode { error = "invalid_grant", error_description = "This code is invalid" },
    }

    it("is 500 with the reason in words, and never shows the code", function()
      host.answer(refused)
      local answer = host.call("GET", "/oauth-callback?code=never-issued")
      assert.are.equal(500, answer.status)
      assert.is_truthy(answer.json.error.message:find "expired or revoked")
      assert.is_nil(answer.body:find("never-issued", 1, true))
      assert.is_nil(json.encode(host.logs):find("never-issued", 1, true))
    end)

    it("is a page for a browser, with everything escaped", function()
      host.answer { status = 400, body = json.encode { message = "<script>alert(1)</script>" } }
      local answer = host.call("GET", "/oauth-callback?code=c", { headers = { accept = "text/html,*/*" } })
      assert.are.equal(500, answer.status)
      assert.is_truthy(answer.body:find("&lt;script&gt;", 1, true))
      assert.is_nil(answer.body:find("<script>", 1, true))
    end)

    it("goes to the configured page with ?error=reason", function()
      host.config.BASCULE_INSTALL_SUCCESS_URL = "https://agency.example/done"
      host.answer(refused)
      local answer = host.call("GET", "/oauth-callback?code=c")
      assert.are.equal(302, answer.status)
      local base, query = parts_of(answer.headers.location)
      assert.are.equal("https://agency.example/done", base)
      assert.is_truthy(query.error:find "expired or revoked")
    end)

    it("where GHL cannot be asked is told so", function()
      host.answer { error = "connection refused", name = "CONNECT", sent = false }
      local answer = host.call("GET", "/oauth-callback?code=c")
      assert.are.equal(500, answer.status)
      assert.is_truthy(answer.json.error.message:find "connection refused")
    end)
  end)

  it("goes to the configured page on success", function()
    host.config.BASCULE_INSTALL_SUCCESS_URL = "https://agency.example/done"
    host.answer { status = 200, body = location_pair }
    local answer = host.call("GET", "/oauth-callback?code=c")
    assert.are.equal(302, answer.status)
    assert.are.equal("https://agency.example/done", answer.headers.location)
  end)

  it("explains what GHL says instead of a code", function()
    local answer = host.call("GET", "/oauth-callback?error=access_denied")
    assert.are.equal(400, answer.status)
    assert.is_truthy(answer.json.error.message:find "did not approve")
  end)

  for query, words in pairs {
    ["error=quota_exceeded"] = "GHL did not approve the installation (quota_exceeded).",
    ["error=Call%20%2B1%20555&error_description=Your%20account%20is%20locked"] =
      "GHL did not approve the installation.",
  } do
    it("shows no text of a stranger's making: " .. query, function()
      local answer = host.call("GET", "/oauth-callback?" .. query)
      assert.are.equal(400, answer.status)
      assert.are.equal(words, answer.json.error.message)
    end)
  end

  describe("errors", function()
    local errors

    before_each(function()
      errors = require "bascule.ghl.errors"
    end)

    local shapes = {
      { '{"statusCode":400,"message":"Bad Request"}', "Bad Request" },
      { '{"statusCode":422,"message":["a is wrong","b is wrong"],"error":"Unprocessable Entity"}',
        "a is wrong; b is wrong" },
      { '{"error":"invalid_grant","error_description":"is dead"}', "is dead" },
      { '{"error":{"code":"X1","message":"inner"}}', "inner" },
      { '{"status":413,"message":"too large"}', "too large" },
      { "<html>", "HTTP status 400" },
      { "", "HTTP status 400" },
      { '{"message":[]}', "HTTP status 400" },
    }
    for _, shape in ipairs(shapes) do
      it("reads " .. shape[1], function()
        local told = errors.parse { status = 400, body = shape[1], headers = {} }
        assert.are.equal(shape[2], told.message)
      end)
    end

    it("keeps the trace id", function()
      assert.are.equal("t1", errors.parse({ status = 400, body = '{"traceId":"t1"}', headers = {} }).trace_id)
    end)

    local sentences = {
      { 401, "Invalid refresh token", "invalid_grant" },
      { 400, "Invalid grant: authorization code is invalid", "invalid_grant" },
      { 401, "Invalid client credentials", "invalid_client" },
      { 400, "redirect_uri does not match", "redirect_uri_mismatch" },
      { 500, "Invalid refresh token", nil },
    }
    for _, row in ipairs(sentences) do
      it(("takes %d %s for %s"):format(row[1], row[2], tostring(row[3])), function()
        assert.are.equal(row[3], errors.oauth_code { status = row[1], message = row[2] })
      end)
    end
  end)
end)
