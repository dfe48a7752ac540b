local testing = require "bascule.testing"

describe("the recipe split-long", function()
  local rules = testing.load "examples/recipes/split-long/rules.lua"
  local t = testing.t(rules)

  for name, test in pairs(rules.tests) do
    it(name, function()
      test(t)
    end)
  end

  it("keeps every word", function()
    local words = {}
    for i = 1, 70 do
      words[i] = "word" .. i
    end
    local found = {}
    for _, part in ipairs(t.outbound({ body = table.concat(words, " ") }).parts) do
      for word in part.body:gmatch "word%d+" do
        found[#found + 1] = word
      end
    end
    assert.are.same(words, found)
  end)

  it("refuses what takes more than four", function()
    assert.error_matches(function()
      t.outbound { body = ("Kumusta "):rep(100) }
    end, "more than 4 messages")
  end)
end)
