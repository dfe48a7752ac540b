local fakes = require "support.simulator"

describe("simulator.openapi", function()
  local openapi, deviations, json

  setup(function()
    fakes.install()
    openapi, deviations, json = require "simulator.openapi", require "simulator.deviations", require "host.json"
  end)

  local function request(body, headers, query)
    headers = headers or { ["content-type"] = "application/json; charset=utf-8" }
    return { body = body or "", query = query or "", header = function(_, name) return headers[name] end }
  end

  local function check(operation, ...)
    local parameters = {}
    for name in operation:gmatch "{(%w+)}" do
      parameters[name] = name .. "-1"
    end
    return openapi.check_request(openapi.operation(operation), request(...), parameters)
  end

  it("is what scripts/openapi makes of GHL's files", function()
    local ok = os.execute "lua5.4 scripts/openapi --check 2>&1"
    assert.is_true(ok)
  end)

  it("gives a reason for every deviation", function()
    for _, list in pairs(deviations) do
      for _, row in ipairs(type(list) == "table" and list or {}) do
        assert.is_string(row.why)
      end
    end
  end)

  it("decodes a request that is valid", function()
    local call = check("PUT /conversations/messages/{messageId}/status", '{"status":"delivered"}')
    assert.same({ status = "delivered" }, call.body)
  end)

  it("says everything that is wrong with a body", function()
    local _, faults = check("PUT /conversations/messages/{messageId}/status",
      '{"status":"sent","error":{"code":1,"type":"saas"}}')
    assert.same({ "error.code: must be a string", "error.message: is missing",
      "status: must be one of: delivered, failed, pending, read" }, faults)
  end)

  it("refuses what is no JSON, and JSON where a form is wanted", function()
    local _, faults = check("POST /conversations/", "{")
    assert.matches("^body: INVALID", faults[1])
    _, faults = check("POST /oauth/token", "{}")
    assert.same({ "content-type: must be application/x-www-form-urlencoded" }, faults)
  end)

  it("checks queries: missing, unknown and malformed parameters", function()
    local _, faults = check("GET /conversations/search", "", {}, "limit=x&contact=1")
    assert.same({ "contact: should not exist", "limit: must be a number", "locationId: is missing" }, faults)
  end)

  it("checks forms by the text of their fields", function()
    local form = { ["content-type"] = "application/x-www-form-urlencoded" }
    local text = "client_id=a&client_secret=b&grant_type=refresh_token&refresh_token=c"
    assert.equal("c", check("POST /oauth/token", text, form).body.refresh_token)
    local _, faults = check("POST /oauth/token", "client_id=a&grant_type=password", form)
    assert.same({ "client_secret: is missing",
      "grant_type: must be one of: authorization_code, refresh_token, client_credentials" }, faults)
  end)

  it("reads an inbound message as GHL does, not as its files have it", function()
    assert.is_table(check("POST /conversations/messages/inbound",
      '{"type":"SMS","conversationId":"v1","direction":"inbound","message":"Yes"}'))
    local _, faults = check("POST /conversations/messages/inbound", '{"type":"SMS","conversationId":"v1","phone":"1"}')
    assert.same({ "phone: should not exist" }, faults)
  end)

  it("takes a location token's request as a form and as JSON", function()
    local form = { ["content-type"] = "application/x-www-form-urlencoded" }
    assert.is_table(check("POST /oauth/locationToken", "companyId=c&locationId=l", form))
    assert.is_table(check("POST /oauth/locationToken", '{"companyId":"c","locationId":"l"}'))
  end)

  it("knows which Version each operation wants", function()
    local operation = openapi.operation "GET /contacts/{contactId}"
    local function version(value) return openapi.version_fault(operation, request("", { version = value })) end
    assert.is_nil(version "2021-07-28")
    assert.matches("not found", version(nil))
    assert.matches("2021%-07%-28", version "v3")
    assert.is_nil(openapi.version_fault(openapi.operation "POST /oauth/token", request()))
  end)

  it("judges answers: documented ones, the known undocumented ones, and no others", function()
    local operation = openapi.operation "GET /conversations/search"
    assert.same({}, openapi.answer_faults(operation, 200, { conversations = json.array {}, total = 0 }))
    assert.same({ "total: is missing" }, openapi.answer_faults(operation, 200, { conversations = json.array {} }))
    assert.same({}, openapi.answer_faults(operation, 403, { statusCode = 403, message = "no" }))
    assert.same({ "message: is missing" }, openapi.answer_faults(operation, 403, { statusCode = 403 }))
    assert.matches("418 is no answer", openapi.answer_faults(operation, 418, {})[1])
  end)

  it("follows references across files", function()
    local operation = openapi.operation "POST /oauth/token"
    assert.same({ "message: must be a string" }, openapi.answer_faults(operation, 400, { message = json.array {} }))
  end)
end)
