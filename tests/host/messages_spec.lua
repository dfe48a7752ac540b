local messages = require "bascule.messages"

describe("messages.seed", function()
  local message = { location = "location1", external_id = "message1" }

  it("is of the message's names alone", function()
    local again = { location = "location1", external_id = "message1", attempts = 3 }
    assert.are.equal(messages.seed(message), messages.seed(again))
    assert.are_not.equal(messages.seed(message), messages.seed { location = "location1", external_id = "message2" })
    assert.are_not.equal(messages.seed(message), messages.seed { location = "location2", external_id = "message1" })
  end)

  it("is a whole number below 2^53", function()
    local seed = messages.seed(message)
    assert.are.equal("integer", math.type(seed))
    assert.is_true(seed >= 0 and seed < 1 << 53)
  end)
end)
