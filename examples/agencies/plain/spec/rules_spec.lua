local testing = require "bascule.testing"

describe("plain", function()
  local rules = testing.load "examples/agencies/plain/rules.lua"

  it("passes the message on as it came", function()
    local message = testing.message { body = "As it is ₱" }
    local result = rules.outbound(message, testing.context())
    assert.are.equal("As it is ₱", result.body)
    assert.is_nil(result.sender)
  end)

  it("takes the sender from the location's settings", function()
    local context = testing.context { settings = { rule_sender = "PLAIN" } }
    assert.are.equal("PLAIN", rules.outbound(testing.message(), context).sender)
  end)
end)
