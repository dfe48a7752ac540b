local remembered = require "commands.remembered"

local function entry(fields)
  local made = { scope = "location1", name = "today", key = "contact:c1", expires_ms = 1000 }
  for name, value in pairs(fields or {}) do
    made[name] = value
  end
  return made
end

local function read(kept, key)
  return kept.memory_read("m1", { key or entry() })[1]
end

describe("what a side of a comparison remembers", function()
  it("is nothing at first", function()
    assert.are.equal(0, read(remembered.new()).count)
  end)

  it("adds up, by scope, name and key", function()
    local kept = remembered.new()
    kept:apply { entry { op = "add", by = 2 }, entry { op = "add" }, entry { op = "add", key = "contact:c2" } }
    assert.are.equal(3, read(kept).count)
  end)

  it("is forgotten at its time", function()
    local kept = remembered.new()
    kept:apply { entry { op = "add" } }
    kept.now = 1000
    assert.are.equal(0, read(kept).count)
  end)

  it("keeps and forgets values", function()
    local kept = remembered.new()
    kept:apply { entry { op = "set", value = "ACME" } }
    assert.are.equal("ACME", read(kept).value)
    kept:apply { entry { op = "forget" } }
    assert.is_nil(read(kept).value)
  end)

  it("does nothing where a condition does not hold", function()
    local kept = remembered.new()
    kept:apply { entry { op = "add", by = 3 } }
    kept:apply { entry { op = "add", key = "contact:c2" }, entry { op = "add", most = 3 } }
    assert.are.same({ 3, 0 }, { read(kept).count, read(kept, entry { key = "contact:c2" }).count })
    kept:apply { entry { op = "set", name = "lock", value = 1 } }
    kept:apply { entry { op = "set", name = "lock", value = 2, first = true } }
    assert.are.equal(1, read(kept, entry { name = "lock" }).value)
  end)
end)
