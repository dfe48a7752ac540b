local simulator = require "support.simulator"

local scopes = "conversations/message.write conversations.readonly conversations.write contacts.readonly "
  .. "contacts.write oauth.readonly oauth.write"
local client = { client_id = "app1-suffix", client_secret = "s3cret" }

describe("the simulated GHL", function()
  local sim

  local function start(options)
    sim = simulator.start {
      ["client-id"] = client.client_id, ["client-secret"] = client.client_secret, location = "L1,L2", company = "C1",
      ["rate-limit"] = options and options["rate-limit"] or "1000",
      ["early-403-ms"] = options and options["early-403-ms"],
      provider = "provider1",
    }
  end

  before_each(function() start() end)

  local function authorize(more)
    local query = { response_type = "code", client_id = client.client_id, scope = scopes, state = "S T",
      redirect_uri = "https://bridge.example/callback" }
    for name, value in pairs(more or {}) do
      query[name] = value
    end
    return sim.call("GET", "/v2/oauth/chooselocation?" .. require("host.http").form(query))
  end

  local function token(fields)
    for name, value in pairs(client) do
      fields[name] = fields[name] or value
    end
    return sim.call("POST", "/oauth/token", { form = fields })
  end

  local function code_for(choice, scope)
    return authorize({ approve = choice, scope = scope }).headers.location:match "code=([^&]+)"
  end

  --- The answer of an exchange for a location, or for "company".
  local function connect(choice, scope)
    return token({ grant_type = "authorization_code", code = code_for(choice, scope) }).json
  end

  local function conversation_call(access_token, method, target, body)
    return sim.call(method, target, { json = body,
      headers = { authorization = "Bearer " .. access_token, version = "2021-04-15" } })
  end

  local function contact_call(access_token, method, target, body)
    return sim.call(method, target, { json = body,
      headers = { authorization = "Bearer " .. access_token, version = "2021-07-28" } })
  end

  after_each(function()
    assert.same({}, sim.call("GET", "/simulate/state").json.own_faults)
  end)

  describe("authorize page", function()
    it("offers every location and the company, and escapes what it shows", function()
      local page = authorize { scope = "<script>" }
      assert.equal(200, page.status)
      for _, choice in ipairs { "approve=L1", "approve=L2", "approve=company", "&lt;script&gt;" } do
        assert.truthy(page.body:find(choice, 1, true), choice)
      end
      assert.is_nil(page.body:find("<script>", 1, true))
    end)

    it("goes back with a code and the state", function()
      local answer = authorize { approve = "L1" }
      assert.equal(302, answer.status)
      assert.matches("^https://bridge%.example/callback%?code=[^&]+&state=S%%20T$", answer.headers.location)
    end)

    it("refuses an unknown app, location and redirect", function()
      assert.equal(400, authorize { client_id = "other" }.status)
      assert.equal(400, authorize { redirect_uri = "javascript:1" }.status)
      assert.equal(404, authorize { approve = "L9" }.status)
    end)

    it("takes the first location by itself where it is told to", function()
      sim = simulator.start { ["client-id"] = client.client_id, ["auto-approve"] = "on" }
      assert.equal(302, authorize().status)
    end)
  end)

  describe("tokens", function()
    it("takes a code once", function()
      local code = code_for "L1"
      local first = token { grant_type = "authorization_code", code = code }
      assert.equal(200, first.status)
      assert.equal("L1", first.json.locationId)
      assert.equal("Location", first.json.userType)
      local again = token { grant_type = "authorization_code", code = code }
      assert.same({ 400, "invalid_grant" }, { again.status, again.json.error })
    end)

    it("takes a code for ten minutes", function()
      local code = code_for "L1"
      sim.wait(600001)
      assert.equal(400, token({ grant_type = "authorization_code", code = code }).status)
    end)

    it("takes a refresh token once and counts what it saw", function()
      local pair = connect "L1"
      local second = token { grant_type = "refresh_token", refresh_token = pair.refresh_token }
      assert.equal(200, second.status)
      assert.not_equal(pair.refresh_token, second.json.refresh_token)
      local again = token { grant_type = "refresh_token", refresh_token = pair.refresh_token }
      assert.same({ 400, "invalid_grant" }, { again.status, again.json.error })
      local counts = sim.call("GET", "/simulate/state").json.tokens
      assert.same({ 1, 1, 1, 4 }, { counts.exchanges, counts.refreshes, counts.invalid_grants, #counts.issued })
    end)

    it("wants a form and the right secret", function()
      assert.equal(422, sim.call("POST", "/oauth/token", { json = client }).status)
      assert.equal(401, token({ client_secret = "wrong", grant_type = "refresh_token", refresh_token = "x" }).status)
    end)

    it("mints location tokens from a company's, and only from it", function()
      local company = connect "company"
      assert.same({ "Company", true }, { company.userType, company.isBulkInstallation })
      assert.same({ "L1", "L2" }, { table.unpack(company.approvedLocations) })
      local function mint(access_token)
        return contact_call(access_token, "POST", "/oauth/locationToken", { companyId = "C1", locationId = "L2" })
      end
      local minted = mint(company.access_token)
      assert.same({ 200, "L2" }, { minted.status, minted.json.locationId })
      assert.equal(401, mint(minted.json.access_token).status)
    end)

    it("pages the installed locations", function()
      local access_token = connect("company").access_token
      local function page(query)
        return contact_call(access_token, "GET", "/oauth/installedLocations?companyId=C1&appId=app1&" .. query).json
      end
      assert.same({ 2, "L2" }, { page("skip=1&limit=1").count, page("skip=1&limit=1").locations[1]._id })
      assert.equal(0, #page("isInstalled=false").locations)
      assert.equal("L1", page("query=l1").locations[1]._id)
    end)

    it("gives a new code to who lost the tokens of an installation", function()
      connect "L1"
      local function reconnect(location)
        return sim.call("POST", "/oauth/reconnect",
          { json = { clientKey = client.client_id, clientSecret = client.client_secret, locationId = location } })
      end
      assert.equal(400, reconnect("L2").status)
      local code = reconnect("L1").json.authorizationCode
      assert.equal("L1", token({ grant_type = "authorization_code", code = code }).json.locationId)
    end)

    it("refuses unknown, expired and revoked tokens", function()
      local access_token = connect("L1").access_token
      local function search()
        return conversation_call(access_token, "GET", "/conversations/search?locationId=L1").status
      end
      assert.equal(200, search())
      sim.wait(86399 * 1000)
      assert.equal(401, search())
      access_token = connect("L1").access_token
      assert.equal(200, search())
      sim.call("POST", "/simulate/faults", { json = { ghl = { revoke = true } } })
      assert.equal(401, search())
      access_token = "never-issued"
      assert.equal(401, search())
    end)

    it("looks at the location, the kind and the scopes of a token", function()
      local location, company = connect("L1").access_token, connect("company").access_token
      assert.equal(403, conversation_call(location, "GET", "/conversations/search?locationId=L2").status)
      assert.equal(403, conversation_call(company, "GET", "/conversations/search?locationId=L1").status)
      local narrow = connect("L1", "contacts.readonly").access_token
      assert.equal(401, conversation_call(narrow, "GET", "/conversations/search?locationId=L1").status)
    end)
  end)

  describe("a message's status", function()
    local function update(access_token, id, body)
      return conversation_call(access_token, "PUT", "/conversations/messages/" .. id .. "/status", body)
    end

    it("is kept in its order", function()
      local access_token = connect("L1").access_token
      local failed = { status = "failed", error = { code = "1", type = "saas", message = "no" } }
      assert.equal(200, update(access_token, "m1", { status = "pending" }).status)
      assert.equal("failed", update(access_token, "m1", failed).json.status)
      local heard = sim.call("GET", "/simulate/state").json.statuses.m1
      assert.same({ "pending", "failed", "no" }, { heard[1].status, heard[2].status, heard[2].error.message })
    end)

    it("comes too early in the first moments", function()
      start { ["early-403-ms"] = "5000" }
      local access_token = connect("L1").access_token
      local early = update(access_token, "m1", { status = "pending" })
      assert.same({ 403, "No conversation provider found for this message" }, { early.status, early.json.message })
      sim.wait(5000)
      assert.equal(200, update(access_token, "m1", { status = "pending" }).status)
    end)

    it("wants the Version header and the words of GHL's files", function()
      local access_token = connect("L1").access_token
      local other = contact_call(access_token, "PUT", "/conversations/messages/m1/status", { status = "read" })
      assert.equal(400, other.status)
      local bare = sim.call("PUT", "/conversations/messages/m1/status",
        { json = { status = "read" }, headers = { authorization = "Bearer " .. access_token } })
      assert.same({ 401, "version header was not found." }, { bare.status, bare.json.message })
      local wrong = update(access_token, "m1", { status = "sent" })
      assert.equal(422, wrong.status)
      assert.matches("must be one of", wrong.json.message[1])
    end)

    it("is refused for a message of another location", function()
      local first, second = connect("L1").access_token, connect("L2").access_token
      assert.equal(200, update(first, "m1", { status = "pending" }).status)
      assert.equal(403, update(second, "m1", { status = "pending" }).status)
    end)
  end)

  describe("rate limits", function()
    it("tells what is left, and refuses what is over it until the window ends", function()
      start { ["rate-limit"] = "2" }
      local access_token = connect("L1").access_token
      local function get()
        return contact_call(access_token, "GET", "/contacts/search/duplicate?locationId=L1&number=1")
      end
      assert.equal("1", get().headers["x-ratelimit-remaining"])
      assert.equal("0", get().headers["x-ratelimit-remaining"])
      local over = get()
      assert.same({ 429, "10000", "2" }, { over.status, over.headers["x-ratelimit-interval-milliseconds"],
        over.headers["x-ratelimit-max"] })
      sim.wait(10000)
      assert.equal(200, get().status)
    end)
  end)

  describe("contacts and conversations", function()
    it("give custom fields back as GHL does", function()
      local access_token = connect("L1").access_token
      local created = contact_call(access_token, "POST", "/contacts/", { locationId = "L1", firstName = "Juan",
        customFields = { { id = "f1", key = "plan", field_value = "gold" } } })
      assert.equal(201, created.status)
      local contact = contact_call(access_token, "GET", "/contacts/" .. created.json.contact.id).json.contact
      assert.same({ "Juan", { { id = "f1", value = "gold" } } }, { contact.firstName, contact.customFields })
    end)

    it("finds or creates whom an inbound message is from", function()
      local access_token = connect("L1").access_token
      local duplicate = "/contacts/search/duplicate?locationId=L1&number=%2B639171234567"
      assert.equal(sim.json.null, contact_call(access_token, "GET", duplicate).json.contact)
      local upsert = contact_call(access_token, "POST", "/contacts/upsert",
        { locationId = "L1", phone = "+63 917 123 4567" })
      assert.is_true(upsert.json.new)
      local contact = contact_call(access_token, "GET", duplicate).json.contact
      assert.same({ upsert.json.contact.id, "+639171234567" }, { contact.id, contact.phone })
      assert.equal(200, contact_call(access_token, "GET", "/contacts/" .. contact.id).status)
      assert.equal(404, contact_call(access_token, "GET", "/contacts/nobody").status)
      local twice = contact_call(access_token, "POST", "/contacts/", { locationId = "L1", phone = "+639171234567" })
      assert.same({ 400, contact.id }, { twice.status, twice.json.meta.contactId })

      local body = { locationId = "L1", contactId = contact.id }
      local created = conversation_call(access_token, "POST", "/conversations/", body)
      assert.equal(201, created.status)
      assert.equal(400, conversation_call(access_token, "POST", "/conversations/", body).status)
      local found = conversation_call(access_token, "GET",
        "/conversations/search?locationId=L1&limit=1&contactId=" .. contact.id).json
      assert.same({ 1, created.json.conversation.id }, { found.total, found.conversations[1].id })

      local message = { type = "SMS", conversationId = created.json.conversation.id, direction = "inbound",
        message = "Yes" }
      local posted = conversation_call(access_token, "POST", "/conversations/messages/inbound", message)
      assert.equal(201, posted.status)
      assert.is_string(posted.json.messageId)
      message.conversationProviderId = "another"
      assert.equal(400, conversation_call(access_token, "POST", "/conversations/messages/inbound", message).status)
      assert.equal("Yes", sim.call("GET", "/simulate/state").json.inbound[1].message)
    end)
  end)
end)
