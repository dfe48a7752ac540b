local fake_host = require "support.fake_host"
local json = require "support.fake_json"

local minute <const> = 60 * 1000

describe("tokens", function()
  local host, store, tokens

  before_each(function()
    host = fake_host.new()
    store = require "host.store"
    tokens = require "bascule.ghl.tokens"
  end)

  local function install(changes)
    local installation = {
      company = "co1", location = "loc1", status = "connected", access_token = "at1", refresh_token = "rt1",
      expires_ms = host.clock.now + 60 * minute, user_type = "Location", details = {},
    }
    for name, value in pairs(changes or {}) do
      installation[name] = value
    end
    if changes and changes.refresh_token == false then
      installation.refresh_token = nil
    end
    store.installation_put(installation)
  end

  local function pair(number, changes)
    local body = {
      access_token = "at" .. number, refresh_token = "rt" .. number, expires_in = 86399, userType = "Location",
      locationId = "loc1", companyId = "co1", userId = "u1", scope = "contacts.readonly",
    }
    for name, value in pairs(changes or {}) do
      body[name] = value
    end
    return { status = 200, body = json.encode(body) }
  end

  local invalid_grant = {
    status = 400, body = json.encode { error = "invalid_grant", error_description = "This refresh token is invalid" },
  }

  local function stored(location)
    return store.installation_get(nil, location or "loc1")
  end

  local function form_of(request)
    return require("host.http").parse_form(request.body)
  end

  it("uses a token that lasts", function()
    install()
    assert.are.equal("at1", tokens.location("loc1").access_token)
    assert.are.equal(0, #host.requests)
  end)

  it("refreshes within five minutes of the end, by a form, and stores before it uses", function()
    install { expires_ms = host.clock.now + 5 * minute - 1 }
    host.answer(pair(2))
    local token = tokens.location "loc1"
    assert.are.equal("at2", token.access_token)
    local request = host.requests[1]
    assert.are.equal("https://ghl.example/oauth/token", request.url)
    assert.are.equal("application/x-www-form-urlencoded", request.headers["content-type"])
    assert.is_nil(request.headers.version)
    assert.are.same({
      client_id = "app1-suffix", client_secret = "client-secret", grant_type = "refresh_token",
      refresh_token = "rt1", user_type = "Location",
    }, form_of(request))
    assert.are.equal("at2", stored().access_token)
    assert.are.equal("rt2", stored().refresh_token)
    assert.are.equal(2, stored().version)
    assert.is_truthy(host.logged "%[REFRESH%]")
  end)

  it("refreshes once for many who ask at the same time", function()
    install { expires_ms = 0 }
    host.answer(pair(2))
    local function ask()
      return tokens.location("loc1").access_token
    end
    for _, result in ipairs(host.together(ask, ask, ask, ask)) do
      assert.are.equal("at2", result[1])
    end
    assert.are.equal(1, #host.requests)
  end)

  it("waits for another process' flight and takes its pair", function()
    install { expires_ms = 0 }
    store.refresh_begin { company = "co1", location = "loc1", version = 1, owner = "other", lease_ms = minute }
    local results = host.together(function()
      return tokens.location("loc1").access_token
    end, function()
      require("host.time").sleep(300)
      store.refresh_done {
        company = "co1", location = "loc1", owner = "other", access_token = "at-other", refresh_token = "rt-other",
        expires_ms = host.clock.now + 60 * minute,
      }
    end)
    assert.are.equal("at-other", results[1][1])
    assert.are.equal(0, #host.requests)
  end)

  it("says BUSY where another's flight does not end", function()
    install { expires_ms = 0 }
    store.refresh_begin { company = "co1", location = "loc1", version = 1, owner = "other", lease_ms = minute }
    local token, _, name = tokens.location "loc1"
    assert.is_nil(token)
    assert.are.equal("BUSY", name)
  end)

  it("turns invalid on invalid_grant, deletes nothing, and says reconnect", function()
    install { expires_ms = 0 }
    host.answer(invalid_grant)
    local token, reason, name = tokens.location "loc1"
    assert.is_nil(token)
    assert.are.equal("INVALID", name)
    assert.is_truthy(reason:find("reconnect", 1, true))
    assert.are.equal("invalid", stored().status)
    assert.is_truthy(stored().reason:find("^reconnect: .*expired or revoked"))
    assert.are.equal("rt1", stored().refresh_token)
    assert.are.equal("error", host.logged("%[REFRESH%-FAIL%]").level)
    assert.are.equal("INVALID", select(3, tokens.location "loc1"))
    assert.are.equal(1, #host.requests)
  end)

  it("reads again on invalid_grant: somebody else may have refreshed", function()
    install { expires_ms = 0 }
    host.on_request = function()
      install { access_token = "at9", refresh_token = "rt9" }
      return invalid_grant
    end
    assert.are.equal("at9", tokens.location("loc1").access_token)
    assert.are.equal("connected", stored().status)
  end)

  it("mints from the company's token where the location's refresh token is dead", function()
    install { location = "", access_token = "company-token", refresh_token = "company-refresh" }
    install { expires_ms = 0 }
    host.answer(invalid_grant)
    host.answer(pair(3))
    assert.are.equal("at3", tokens.location("loc1").access_token)
    local mint = host.requests[2]
    assert.are.equal("https://ghl.example/oauth/locationToken", mint.url)
    assert.are.equal("Bearer company-token", mint.headers.authorization)
    assert.are.equal("2021-07-28", mint.headers.version)
    assert.are.same({ companyId = "co1", locationId = "loc1" }, form_of(mint))
  end)

  it("reconnects where that is enabled", function()
    host.config.GHL_RECONNECT = true
    install { expires_ms = 0 }
    host.answer(invalid_grant)
    host.answer { status = 200, body = json.encode { authorizationCode = "code9" } }
    host.answer(pair(4))
    assert.are.equal("at4", tokens.location("loc1").access_token)
    assert.are.same({ clientKey = "app1-suffix", clientSecret = "client-secret", locationId = "loc1" },
      json.decode(host.requests[2].body))
    assert.are.equal("code9", form_of(host.requests[3]).code)
    assert.are.equal("rt4", stored().refresh_token)
  end)

  it("reconnects also where the base URL is left open", function()
    host.config.GHL_RECONNECT, host.config.BASCULE_BASE_URL = true, nil
    install { expires_ms = 0 }
    host.answer(invalid_grant)
    host.answer { status = 200, body = json.encode { authorizationCode = "code9" } }
    host.answer(pair(4))
    assert.are.equal("at4", tokens.location("loc1").access_token)
    assert.is_nil(form_of(host.requests[3]).redirect_uri)
  end)

  it("turns invalid where the reconnection is refused", function()
    host.config.GHL_RECONNECT = true
    install { expires_ms = 0 }
    host.answer(invalid_grant)
    host.answer { status = 400, body = json.encode { statusCode = 400, message = "not installed" } }
    local _, _, name = tokens.location "loc1"
    assert.are.equal("INVALID", name)
  end)

  describe("keeps the pair and the status where the outcome is not known or temporary:", function()
    local rows = {
      { "a lost answer", { error = "no answer within 30 s", name = "TIMEOUT", sent = true }, "outcome unknown" },
      { "nothing sent", { error = "refused", name = "CONNECT", sent = false }, "could not be asked" },
      { "502", { status = 502, body = "<html>" }, "outcome unknown" },
      { "503", { status = 503, body = "" }, "503" },
      { "429", { status = 429, body = "{}" }, "429" },
      { "no token in the answer", { status = 200, body = "{}" }, "no access token" },
      { "no JSON", { status = 200, body = "<html>" }, "no JSON" },
    }
    for _, row in ipairs(rows) do
      it(row[1], function()
        install { expires_ms = 0 }
        host.answer(row[2])
        local token, reason, name = tokens.location "loc1"
        assert.is_nil(token)
        assert.are.equal("BUSY", name)
        assert.is_truthy(reason:find(row[3], 1, true), reason)
        assert.are.equal("connected", stored().status)
        assert.are.equal("rt1", stored().refresh_token)
        assert.is_truthy(host.logged "%[REFRESH%-FAIL%]")
      end)
    end

    it("and leaves GHL alone for a moment, then tries again", function()
      install { expires_ms = 0 }
      host.answer { status = 503, body = "" }
      tokens.location "loc1"
      tokens.location "loc1"
      assert.are.equal(1, #host.requests)
      host.clock.now = host.clock.now + 6000
      host.answer(pair(2))
      assert.are.equal("at2", tokens.location("loc1").access_token)
    end)
  end)

  it("has one failure for all who waited for the flight", function()
    install { expires_ms = 0 }
    host.answer { status = 503, body = "" }
    local function ask()
      return tokens.location "loc1"
    end
    for _, result in ipairs(host.together(ask, ask, ask)) do
      assert.is_nil(result[1])
      assert.are.equal("BUSY", result[3])
    end
    assert.are.equal(1, #host.requests)
  end)

  it("goes on with a token that still lives where the refresh fails for now", function()
    install { expires_ms = host.clock.now + 2 * minute }
    host.answer { status = 503, body = "" }
    assert.are.equal("at1", tokens.location("loc1").access_token)
  end)

  it("explains a wrong client secret and keeps the installation", function()
    install { expires_ms = 0 }
    host.answer { status = 401, body = json.encode { error = "invalid_client" } }
    local _, reason, name = tokens.location "loc1"
    assert.are.equal("REFUSED", name)
    assert.is_truthy(reason:find("GHL_CLIENT_SECRET", 1, true))
    assert.are.equal("connected", stored().status)
  end)

  it("offers the new pair to a busy store until it takes it", function()
    install { expires_ms = 0 }
    host.answer(pair(2))
    host.faults.refresh_done = "BUSY"
    local slept = 0
    require("host.time").sleep = function(ms)
      host.clock.now, slept = host.clock.now + ms, slept + 1
      host.faults.refresh_done = slept < 5 and "BUSY" or nil
    end
    assert.are.equal("at2", tokens.location("loc1").access_token)
    assert.are.equal("rt2", stored().refresh_token)
    assert.are.equal(1, #host.requests)
  end)

  it("never uses a pair that could not be stored", function()
    install { expires_ms = 0 }
    host.answer(pair(2))
    host.faults.refresh_done = "FULL"
    local token, reason = tokens.location "loc1"
    assert.is_nil(token)
    assert.is_truthy(reason:find("could not be stored", 1, true))
  end)

  it("stores the pair although its lease ran out, for it is the only living one", function()
    install { expires_ms = 0 }
    host.on_request = function()
      host.clock.now = host.clock.now + 2 * minute
      store.refresh_begin { company = "co1", location = "loc1", version = 1, owner = "other", lease_ms = minute }
      return pair(2)
    end
    assert.are.equal("at2", tokens.location("loc1").access_token)
    assert.are.equal("rt2", stored().refresh_token)
  end)

  describe("after a 401", function()
    it("renews the token once", function()
      install()
      host.answer(pair(2))
      local token = tokens.location "loc1"
      assert.are.equal("at2", tokens.renew(token).access_token)
    end)

    it("takes the one that is stored where it is another", function()
      install()
      local token = tokens.location "loc1"
      install { access_token = "at7" }
      assert.are.equal("at7", tokens.renew(token).access_token)
      assert.are.equal(0, #host.requests)
    end)

    it("does not renew what was renewed for this a moment ago", function()
      install()
      host.answer(pair(2))
      local renewed = tokens.renew(tokens.location "loc1")
      local token, _, name = tokens.renew(renewed)
      assert.is_nil(token)
      assert.are.equal("REFUSED", name)
      assert.are.equal(1, #host.requests)
    end)
  end)

  it("mints where there is no refresh token, with the company's token renewed on 401", function()
    install { location = "", access_token = "company-old", refresh_token = "company-refresh" }
    install { refresh_token = false, expires_ms = 0 }
    host.answer { status = 401, body = json.encode { statusCode = 401, message = "Invalid token" } }
    host.answer(pair(5, { userType = "Company", access_token = "company-new" }))
    host.answer(pair(6))
    assert.are.equal("at6", tokens.location("loc1").access_token)
    assert.are.equal("Bearer company-new", host.requests[3].headers.authorization)
  end)

  it("finds a location that nobody told of at a connected company", function()
    install { location = "", access_token = "company-token" }
    host.answer(pair(8, { refresh_token = json.null }))
    assert.are.equal("at8", tokens.location("loc7").access_token)
    assert.is_true(stored("loc7").details.minted)
  end)

  it("does not ask again and again for a location that is nobody's", function()
    install { location = "", access_token = "company-token" }
    host.answer { status = 400, body = "{}" }
    for _ = 1, 3 do
      local _, _, name = tokens.location "loc7"
      assert.are.equal("NOT_CONNECTED", name)
    end
    assert.are.equal(1, #host.requests)
  end)

  it("mints nothing for a location that was removed", function()
    install { location = "", access_token = "company-token" }
    install { status = "removed", reason = "the app was uninstalled in GHL" }
    local _, reason, name = tokens.location "loc1"
    assert.are.equal("REMOVED", name)
    assert.are.equal("the app was uninstalled in GHL", reason)
  end)

  it("shows no token in any log", function()
    install { expires_ms = 0 }
    host.answer(pair(2))
    tokens.location "loc1"
    host.answer(invalid_grant)
    host.clock.now = host.clock.now + 30 * 3600 * 1000
    tokens.location "loc1"
    for _, line in ipairs(host.logs) do
      local text = json.encode(line)
      for _, secret in ipairs { "rt1", "rt2", "at1", "at2", "client-secret" } do
        assert.is_nil(text:find(secret, 1, true), text)
      end
    end
  end)

  describe("maintenance", function()
    local maintenance

    before_each(function()
      maintenance = require "bascule.maintenance"
    end)

    it("sweeps at the start what ends within six hours, then what ends within ten minutes", function()
      install { expires_ms = host.clock.now + 5 * 60 * minute }
      install { location = "loc2", expires_ms = host.clock.now + 7 * 60 * minute }
      host.answer(pair(2))
      maintenance.run()
      assert.are.equal("at2", stored().access_token)
      assert.are.equal("at1", stored("loc2").access_token)
      host.clock.now = host.clock.now + 60 * minute
      maintenance.run()
      assert.are.equal(1, #host.requests, "loc2 ends in six hours, which is not soon")
      host.clock.now = host.clock.now + 5 * 60 * minute + 51 * minute
      host.answer(pair(3))
      maintenance.run()
      assert.are.equal("at3", stored("loc2").access_token)
    end)

    it("sweeps again after twelve hours", function()
      maintenance.run()
      host.clock.now = host.clock.now + 12 * 60 * minute
      install { expires_ms = host.clock.now + 5 * 60 * minute }
      host.answer(pair(2))
      maintenance.run()
      assert.are.equal(1, #host.requests)
    end)

    it("does not refresh what another process has just refreshed", function()
      install { expires_ms = 0 }
      local expiring = store.installation_expiring
      store.installation_expiring = function(...)
        local list = expiring(...)
        install { access_token = "at9", expires_ms = host.clock.now + 24 * 60 * minute }
        return list
      end
      maintenance.run()
      assert.are.equal(0, #host.requests)
    end)

    it("lists again a company whose locations could not be listed", function()
      install { location = "", user_type = "Company", expires_ms = host.clock.now + 24 * 60 * minute }
      local locations = json.array { { _id = "l1", name = "One" } }
      host.answer { status = 200, body = json.encode { locations = locations, count = 1 } }
      maintenance.run()
      assert.are.equal("connected", stored("l1").status)
      host.clock.now = host.clock.now + 13 * 60 * minute
      install { location = "", user_type = "Company", expires_ms = host.clock.now + 24 * 60 * minute }
      maintenance.run()
      assert.are.equal(1, #host.requests)
    end)
  end)
end)
