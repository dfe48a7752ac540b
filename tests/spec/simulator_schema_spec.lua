local fakes = require "support.simulator"

describe("simulator.schema", function()
  local schema, json

  setup(function()
    fakes.install()
    schema, json = require "simulator.schema", require "host.json"
  end)

  local schemas = {
    error = {
      type = "object",
      required = { "code" },
      properties = { code = { type = "string" }, details = { type = "array", items = { type = "string" } } },
    },
    loop = { type = "object", properties = { next = { ref = "loop" } } },
  }

  local function faults(rule, value, options)
    return schema.faults(schemas, rule, value, options)
  end

  it("takes values of the types that are named", function()
    for kind, value in pairs {
      string = "x", number = 1.5, integer = 2, boolean = false, array = json.array {}, object = {}, any = true,
    } do
      assert.same({}, faults({ type = kind }, value), kind)
    end
  end)

  it("names the type that a value should have", function()
    assert.same({ "body: must be a string" }, faults({ type = "string" }, 1))
    assert.same({ "body: must be an array" }, faults({ type = "array" }, {}))
    assert.same({ "body: must be an object" }, faults({ type = "object" }, json.array {}))
    assert.same({ "body: must be an integer" }, faults({ type = "integer" }, 1.5))
  end)

  it("tells null from absent", function()
    local rule = { type = "object",
      properties = { name = { type = "string" }, born = { type = "string", nullable = true } } }
    assert.same({}, faults(rule, { born = json.null }))
    assert.same({ "name: must not be null" }, faults(rule, { name = json.null }))
  end)

  it("follows references, into themselves too, and names the path of a fault", function()
    local rule = { type = "object", properties = { error = { ref = "error" } } }
    assert.same({ "error.code: is missing", "error.details[1]: must be a string" },
      faults(rule, { error = { details = json.array { "a", 2 } } }))
    assert.same({ "next.next: must be an object" }, faults({ ref = "loop" }, { next = { next = "end" } }))
  end)

  it("lists the words of an enum", function()
    assert.same({ "body: must be one of: delivered, failed" }, faults({ enum = { "delivered", "failed" } }, "sent"))
  end)

  it("wants all of allOf, one or more of anyOf, and exactly one of oneOf", function()
    local text, number, short = { type = "string" }, { type = "number" }, { type = "string", maxLength = 3 }
    assert.same({}, faults({ allOf = { text, short } }, "abc"))
    assert.same({ "body: must be no longer than 3 characters" }, faults({ allOf = { text, short } }, "abcd"))
    assert.same({}, faults({ anyOf = { number, text } }, "abc"))
    assert.same({ "body: fits 0 of its 1 anyOf schemas" }, faults({ anyOf = { number } }, "abc"))
    assert.same({ "body: fits 2 of its 2 oneOf schemas" }, faults({ oneOf = { text, short } }, "abc"))
  end)

  it("refuses unknown properties where it is strict, over the parts of an allOf together", function()
    local rule = { allOf = { { ref = "error" }, { type = "object", properties = { more = { type = "string" } } } } }
    local value = { code = "1", more = "x", bogus = 1 }
    assert.same({}, faults(rule, value))
    assert.same({ "bogus: should not exist" }, faults(rule, value, { strict = true }))
  end)

  it("reads the text of queries and forms as the type that is wanted", function()
    local rule = { type = "object", properties = { limit = { type = "number" }, all = { type = "boolean" } } }
    assert.same({}, faults(rule, { limit = "20", all = "true" }, { text = true }))
    assert.same({ "all: must be a boolean", "limit: must be a number" },
      faults(rule, { limit = "many", all = "1" }, { text = true }))
  end)

  it("knows a date", function()
    local rule = { type = "string", format = "date-time" }
    assert.same({}, faults(rule, "2026-01-02T03:04:05.678Z"))
    assert.same({ "body: must be a date-time" }, faults(rule, "yesterday"))
  end)
end)
