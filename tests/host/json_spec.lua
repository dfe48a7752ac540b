-- Runs under the host itself (`bascule lua`): JSON as scripts see it, with lua-cjson as an independent judge where that
-- one is right, and the places where it is not.
local cjson = require "cjson"
local json = require "host.json"

local function round_trip(text)
  return json.encode(assert(json.decode(text)))
end

-- What cjson reads, in this codec's terms: its integers are floats, its null is the same light userdata.
local function plain(value)
  if math.type(value) == "float" and value == math.floor(value) and math.abs(value) < 2 ^ 53 then
    return math.tointeger(value)
  elseif type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, member in pairs(value) do
    copy[key] = plain(member)
  end
  return copy
end

local documents = {
  '{"type":"SMS","body":"Kumusta","attachments":["https://x/a.png"],"parts":3,"price":0.25,"sent":true,"none":null}',
  '[1,2,[3,[4,{"five":[6]}]],"seven"]',
  '{"text":"\\u20b1 \\ud83d\\ude00 \\"quoted\\" back\\\\slash \\n\\t"}',
  '"just text"',
  "[true,false,null]",
  "[-1,0,1.5,-2.25,1e10,123456789012]",
  '{"a":{"b":{"c":{"d":{"e":"f"}}}}}',
}

describe("host.json and cjson", function()
  for _, text in ipairs(documents) do
    it("read the same in " .. text:sub(1, 30), function()
      assert.are.same(plain(cjson.decode(text)), plain(json.decode(text)))
    end)

    it("cjson reads what host.json writes of " .. text:sub(1, 30), function()
      assert.are.same(plain(cjson.decode(text)), plain(cjson.decode(round_trip(text))))
    end)
  end

  it("refuse the same", function()
    for _, text in ipairs { "{", "[1", '{"a"}', "nul", "tru", '"\\x"', "[1,]", "{,}", "]" } do
      assert.is_false((pcall(cjson.decode, text)))
      assert.is_nil((json.decode(text)))
    end
  end)
end)

describe("host.json, where cjson errs", function()
  it("keeps integers exact", function()
    assert.are.equal("[9007199254740993,9223372036854775807,-9223372036854775808]",
      round_trip "[9007199254740993,9223372036854775807,-9223372036854775808]")
    assert.are.equal("integer", math.type(json.decode "5"))
    assert.are.equal("float", math.type(json.decode "5.0"))
    assert.are.equal("5.0", round_trip "5.0")
  end)

  it("tells an empty array from an empty object", function()
    assert.are.equal('{"a":[],"b":{}}', round_trip '{"a":[],"b":{}}')
    assert.are.equal("[]", json.encode(json.array {}))
    assert.are.equal("{}", json.encode {})
  end)

  it("does not escape slashes", function()
    assert.are.equal('"https://x/y"', round_trip '"https:\\/\\/x/y"')
  end)

  it("refuses NaN, infinities and bad UTF-8, both ways", function()
    for _, text in ipairs { "NaN", "Infinity", "-Infinity", "nan", "0x10", '"\xff"', '"\xed\xa0\x80"', '"\\udc00"' } do
      local value, message, name = json.decode(text)
      assert.is_nil(value)
      assert.are.equal("INVALID", name)
      assert.matches("^INVALID: line 1, column %d+: ", message)
    end
    for _, value in ipairs { 0 / 0, 1 / 0, -1 / 0, "\xff" } do
      assert.are.equal("INVALID", select(3, json.encode(value)))
    end
  end)

  it("refuses tables that are neither array nor object", function()
    for _, value in ipairs { { 1, a = 2 }, { [1] = 1, [3] = 3 }, { [true] = 1 }, json.array { a = 1 } } do
      assert.are.equal("INVALID", select(3, json.encode(value)))
    end
  end)

  it("refuses what jansson or cjson would take: duplicate keys, deep nesting, a second value", function()
    for _, text in ipairs { '{"a":1,"a":2}', ("["):rep(65) .. ("]"):rep(65), "1 2", '{"a":1} x' } do
      assert.are.equal("INVALID", select(3, json.decode(text)))
    end
    assert.is_table(json.decode(("["):rep(64) .. ("]"):rep(64)))
  end)

  it("names the place of a fault and quotes nothing of the text", function()
    local _, message = json.decode '{\n  "body": "secret" oops\n}'
    assert.matches("^INVALID: line 2, column %d+: ", message)
    assert.is_nil(message:find("secret", 1, true))
    assert.is_nil(message:find("oops", 1, true))
  end)

  it("sorts keys", function()
    assert.are.equal('{"A":1,"a":1,"aa":1,"b":1}', json.encode { b = 1, aa = 1, a = 1, A = 1 })
  end)
end)
