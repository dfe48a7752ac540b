local testing = require "bascule.testing"

describe("the recipe failure-words", function()
  local rules = testing.load "examples/recipes/failure-words/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("leaves a failure that it does not know as it is", function()
    local error = { code = "1", type = "provider", message = "Queue overflow" }
    assert.sends(t.report { status = "failed", error = error }, { error = error })
  end)
end)
