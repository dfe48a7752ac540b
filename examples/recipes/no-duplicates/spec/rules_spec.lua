local testing = require "bascule.testing"

describe("the recipe no-duplicates", function()
  local rules = testing.load "examples/recipes/no-duplicates/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("forgets after ten minutes, and takes a retry for no duplicate", function()
    local value = t.outbound({ message_id = "m1" }, { now = "2026-01-02T12:00:00Z" }).memory[1].value
    local function again(id, now)
      return t.outbound({ message_id = id }, { now = now, memory = { texts = { value = value } } })
    end
    assert.rejects(again("m2", "2026-01-02T12:09:59Z"))
    assert.sends(again("m2", "2026-01-02T12:10:00Z"))
    assert.sends(again("m1", "2026-01-02T12:01:00Z"))
  end)
end)
