local testing = require "bascule.testing"

describe("the recipe hide-read", function()
  local rules = testing.load "examples/recipes/hide-read/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("tells the other statuses", function()
    for _, status in ipairs { "pending", "delivered", "failed" } do
      assert.sends(t.report { status = status }, { status = status })
    end
    assert.rejects(t.report { status = "read" }, "that it was read is not told")
  end)
end)
