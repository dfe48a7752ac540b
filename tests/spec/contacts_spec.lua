local fake_host = require "support.fake_host"
local json = require "support.fake_json"

describe("a contact of GHL", function()
  local host, contacts

  before_each(function()
    host = fake_host.new()
    contacts = require "bascule.ghl.contacts"
    require("host.store").installation_put {
      company = "co1", location = "loc1", status = "connected", access_token = "at1", refresh_token = "rt1",
      expires_ms = host.clock.now + 24 * 3600 * 1000, details = {},
    }
  end)

  local function answer(contact)
    host.answer { status = 200, body = json.encode { contact = contact } }
  end

  it("has the fields that rules know", function()
    answer {
      id = "ct1", firstName = "Juan", lastName = "Cruz", name = "Juan Cruz", email = "j@x.example", phone = "+63917",
      companyName = "Acme", city = "Cebu", state = "7", country = "PH", timezone = "Asia/Manila",
      tags = json.array { "vip", "trial" }, dnd = false, source = "form",
      customFields = json.array { { id = "f1", value = "blue" }, { id = "f2", value = 3 } },
    }
    assert.are.same({
      id = "ct1", first_name = "Juan", last_name = "Cruz", name = "Juan Cruz", email = "j@x.example", phone = "+63917",
      company_name = "Acme", city = "Cebu", state = "7", country = "PH", timezone = "Asia/Manila",
      tags = { "vip", "trial" }, dnd = false, custom = { f1 = "blue", f2 = 3 },
    }, contacts.get("loc1", "co1", "ct1"))
  end)

  it("has lists and no nulls where GHL says nothing", function()
    answer { id = "ct1", firstName = json.null, tags = json.null, customFields = json.null, dndSettings = json.null }
    assert.are.same({ id = "ct1", tags = {}, custom = {}, dnd = false }, contacts.get("loc1", "co1", "ct1"))
  end)

  it("is not to be disturbed where that holds for all channels or for SMS", function()
    local rows = {
      { { dnd = true }, true },
      { { dndSettings = { SMS = { status = "active" } } }, true },
      { { dndSettings = { SMS = { status = "permanent" } } }, true },
      { { dndSettings = { SMS = { status = "inactive" }, Email = { status = "active" } } }, false },
    }
    for index, row in ipairs(rows) do
      answer(row[1])
      assert.are.equal(row[2], contacts.get("loc1", "co1", "ct" .. index).dnd)
    end
  end)

  it("is asked for once a minute", function()
    answer { id = "ct1", firstName = "Juan" }
    contacts.get("loc1", "co1", "ct1")
    host.clock.now = host.clock.now + 59000
    assert.are.equal("Juan", contacts.get("loc1", "co1", "ct1").first_name)
    host.clock.now = host.clock.now + 2000
    answer { id = "ct1", firstName = "Pedro" }
    assert.are.equal("Pedro", contacts.get("loc1", "co1", "ct1").first_name)
  end)

  it("is another one in another location", function()
    require("host.store").installation_put {
      company = "co1", location = "loc2", status = "connected", access_token = "at2", refresh_token = "rt2",
      expires_ms = host.clock.now + 24 * 3600 * 1000, details = {},
    }
    answer { firstName = "Juan" }
    answer { firstName = "Pedro" }
    assert.are.equal("Juan", contacts.get("loc1", "co1", "ct1").first_name)
    assert.are.equal("Pedro", contacts.get("loc2", "co1", "ct1").first_name)
  end)

  it("is not kept where it is large", function()
    for _ = 1, 2 do
      answer { id = "ct1", customFields = json.array { { id = "f1", value = ("x"):rep(5000) } } }
      contacts.get("loc1", "co1", "ct1")
    end
    assert.are.equal(2, #host.requests)
  end)

  it("is nil where GHL does not know it, and that is kept too", function()
    for _, status in ipairs { 400, 404, 422 } do
      host.answer { status = status, body = "{}" }
      assert.are.same({ nil, nil }, { contacts.get("loc1", "co1", "ct" .. status) })
      assert.are.same({ nil, nil }, { contacts.get("loc1", "co1", "ct" .. status) })
    end
    assert.are.equal(3, #host.requests)
  end)

  it("is a failure that is not kept where GHL cannot say, asked once", function()
    host.answer { status = 503, body = "" }
    local contact, fault = contacts.get("loc1", "co1", "ct1")
    assert.is_nil(contact)
    assert.are.equal("RETRYABLE", fault.name)
    answer { id = "ct1" }
    assert.are.equal("ct1", contacts.get("loc1", "co1", "ct1").id)
  end)

  it("has its id escaped on the way", function()
    answer { id = "a/b" }
    contacts.get("loc1", "co1", "a/../b")
    assert.are.equal("https://ghl.example/contacts/a%2F..%2Fb", host.requests[1].url)
  end)
end)
