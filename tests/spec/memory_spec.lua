local fake_host = require "support.fake_host"

describe("the rules' memory", function()
  local host, memory
  local now <const> = 1795190400000 -- 2026-11-20T16:00:00Z: the 21st in Manila
  local day_ms <const> = 24 * 3600 * 1000
  local manila <const> = "Asia/Manila"

  before_each(function()
    host = fake_host.new()
    memory = require "bascule.memory"
  end)

  local function whose(changes)
    local fields = { location = "loc1", agency = "acme", contact = "c1", number = "+639171234567" }
    for name, value in pairs(changes or {}) do
      fields[name] = value or nil
    end
    return fields
  end

  local function counter(per, window, zone)
    return { kind = "counter", per = per, window = window or "day", zone = zone or manila }
  end

  local function value(per, ttl_ms)
    return { kind = "value", per = per, ttl_ms = ttl_ms or 1000 }
  end

  local function key_asked(declared, changes)
    assert(memory.read("m1", { n = declared }, whose(changes), now))
    return host.data.memory_read and host.data.memory_read.keys[1]
  end

  describe("names its entries", function()
    local owners = {
      { "contact", nil, "loc1", "contact:c1" },
      { "number", nil, "loc1", "number:+639171234567" },
      { "location", nil, "loc1", "location" },
      { "agency", nil, "agency:acme", "agency" },
      { "contact", { contact = false }, "loc1", "number:+639171234567" },
      { "number", { number = "+63 917 123 4567" }, "loc1", "number:+639171234567" },
      { "number", { number = "ACME" }, "loc1", "number:ACME" },
    }
    for _, row in ipairs(owners) do
      it(("%s as %s"):format(row[1], row[4]), function()
        assert.are.same({ scope = row[3], name = "n", key = row[4] }, key_asked(value(row[1]), row[2]))
      end)
    end

    it("with the number's country where it is left out", function()
      host.config.BASCULE_DEFAULT_REGION = "PH"
      assert.are.equal("number:+639171234567", key_asked(value "number", { number = "09171234567" }).key)
    end)

    local windows = {
      { "hour", manila, "location|2026-11-21T00+08:00" },
      { "day", manila, "location|2026-11-21" },
      { "day", "UTC", "location|2026-11-20" },
      { "week", manila, "location|2026-11-16" },
      { "month", manila, "location|2026-11" },
    }
    for _, row in ipairs(windows) do
      it(("of the %s in %s"):format(row[1], row[2]), function()
        assert.are.equal(row[3], key_asked(counter("location", row[1], row[2])).key)
      end)
    end
  end)

  describe("that is read", function()
    it("is by name, as the rules see it", function()
      host.data.memory["loc1 today contact:c1|2026-11-21"] = { count = 3 }
      host.data.memory["loc1 last contact:c1"] = { value = { sender = "ACME" } }
      local read = memory.read("m1", {
        today = counter "contact", month = counter("location", "month"), last = value "contact", other = value "agency",
      }, whose(), now)
      assert.are.same({
        today = { count = 3 }, month = { count = 0 }, last = { value = { sender = "ACME" } }, other = {},
      }, read)
      assert.are.equal("m1", host.data.memory_read.message_id)
    end)

    it("asks the store for nothing where nothing is declared", function()
      host.faults.memory_read = "BUSY"
      assert.are.same({}, memory.read("m1", {}, whose(), now))
    end)

    it("is empty for what belongs to nobody", function()
      local nobody = whose { contact = false, number = false }
      assert.are.same({ n = { count = 0 } }, memory.read("m1", { n = counter "contact" }, nobody, now))
      assert.is_nil(host.data.memory_read)
    end)

    it("says why where the store cannot", function()
      host.faults.memory_read = "BUSY"
      local read, _, name = memory.read("m1", { n = counter "contact" }, whose(), now)
      assert.is_nil(read)
      assert.are.equal("BUSY", name)
    end)
  end)

  describe("that is changed", function()
    local function effects_of(effect, declared, changes)
      effect.name = "n"
      return memory.effects({ effect }, { n = declared }, whose(changes), now)
    end

    it("counts until the window ends", function()
      assert.are.same({ {
        scope = "loc1", name = "n", key = "contact:c1|2026-11-21", op = "add", by = 2, most = 5,
        expires_ms = now + day_ms,
      } }, effects_of({ op = "add", by = 2, most = 5 }, counter "contact"))
    end)

    it("keeps a value for its time", function()
      assert.are.same({ {
        scope = "loc1", name = "n", key = "contact:c1", op = "set", value = { 1 }, first = true, expires_ms = now + 700,
      } }, effects_of({ op = "set", value = { 1 }, first = true }, value("contact", 700)))
    end)

    it("forgets a value", function()
      local effects = effects_of({ op = "forget" }, value "agency")
      assert.are.equal("forget", effects[1].op)
      assert.are.equal("agency:acme", effects[1].scope)
    end)

    it("changes nothing of nobody, and nothing without effects", function()
      assert.is_nil(effects_of({ op = "add" }, counter "contact", { contact = false, number = false }))
      assert.is_nil(memory.effects(nil, {}, whose(), now))
    end)

    it("is declared", function()
      assert.has_error(function()
        memory.effects({ { name = "x", op = "add" } }, { n = counter "contact" }, whose(), now)
      end, "the rules' memory has no 'x'")
    end)
  end)
end)
