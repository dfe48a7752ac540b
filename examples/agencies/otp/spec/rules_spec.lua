local testing = require "bascule.testing"

describe("otp", function()
  local rules = testing.load "examples/agencies/otp/rules.lua"

  local function outbound(fields)
    return rules.outbound(testing.message(fields), testing.context())
  end

  it("sends a code, folded to the cheap alphabet", function()
    local message = outbound { body = "Your code is 482913 – don’t share it" }
    assert.are.equal("Your code is 482913 - don't share it", message.body)
    assert.are.equal("OTP", message.sender)
  end)

  for _, body in ipairs { "Hello", "Room 12", "Order AB1234", "Call 091712345678" } do
    it("refuses a text without a code: " .. body, function()
      assert.are.equal("reject", outbound({ body = body }).action)
    end)
  end

  it("refuses a landline", function()
    local result = outbound { to = "+63281234567", body = "Code 4829" }
    assert.are.equal("+63281234567 cannot receive SMS", result.reason)
  end)

  it("refuses a code whose text takes two parts", function()
    local result = outbound { body = "Code 4829 " .. ("a"):rep(160) }
    assert.are.equal("a one-time password must fit in one part", result.reason)
  end)
end)
