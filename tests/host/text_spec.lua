require "bascule.testing"
local text = require "bascule.text"

describe("text.segments", function()
  local euro, peso, emoji = "€", "₱", "😀"
  -- {name, text, encoding, units, parts}: the table of the SMS reference, and every kind of boundary beside it.
  local rows = {
    { "empty", "", "GSM-7", 0, 0 },
    { "160 a", ("a"):rep(160), "GSM-7", 160, 1 },
    { "161 a", ("a"):rep(161), "GSM-7", 161, 2 },
    { "306 a", ("a"):rep(306), "GSM-7", 306, 2 },
    { "307 a", ("a"):rep(307), "GSM-7", 307, 3 },
    { "459 a", ("a"):rep(459), "GSM-7", 459, 3 },
    { "460 a", ("a"):rep(460), "GSM-7", 460, 4 },
    { "80 euro signs", euro:rep(80), "GSM-7", 160, 1 },
    { "81 euro signs", euro:rep(81), "GSM-7", 162, 2 },
    { "a pair at the edge", ("a"):rep(152) .. euro .. ("a"):rep(152), "GSM-7", 306, 3 },
    { "Niño Ñ", "Niño Ñ", "GSM-7", 6, 1 },
    { "capital c-cedilla", "Ç", "GSM-7", 1, 1 },
    { "small c-cedilla", "ç", "UCS-2", 1, 1 },
    { "backtick", "`", "UCS-2", 1, 1 },
    { "curly quote", "’", "UCS-2", 1, 1 },
    { "Bayad ₱100", "Bayad ₱100", "UCS-2", 10, 1 },
    { "70 pesos", peso:rep(70), "UCS-2", 70, 1 },
    { "71 pesos", peso:rep(71), "UCS-2", 71, 2 },
    { "134 pesos", peso:rep(134), "UCS-2", 134, 2 },
    { "135 pesos", peso:rep(135), "UCS-2", 135, 3 },
    { "35 emoji", emoji:rep(35), "UCS-2", 70, 1 },
    { "36 emoji", emoji:rep(36), "UCS-2", 72, 2 },
    { "an emoji at the edge", peso:rep(66) .. emoji .. peso:rep(66), "UCS-2", 134, 3 },
    { "form feed and brackets", "\f^{}\\[~]|", "GSM-7", 18, 1 },
    { "line ends", "a\r\nb", "GSM-7", 4, 1 },
    { "Greek capitals of the table", "ΔΦΓΛΩΠΨΣΘΞ", "GSM-7", 10, 1 },
    { "Greek beyond it", "Α", "UCS-2", 1, 1 },
    { "159 a and a euro sign", ("a"):rep(159) .. euro, "GSM-7", 161, 2 },
  }
  for _, row in ipairs(rows) do
    it(row[1], function()
      local expected = { encoding = row[3], units = row[4], parts = row[5] }
      assert.are.same(expected, text.segments(row[2]))
    end)
  end

  it("counts a text of ASCII alone, which goes a shorter way, as any other", function()
    for code = 0, 127 do
      local alone, beside = text.segments(string.char(code)), text.segments(string.char(code) .. "é")
      assert.are.same({ alone.encoding, alone.units + 1 }, { beside.encoding, beside.units }, code)
    end
  end)

  it("says where a text is no UTF-8", function()
    assert.error_matches(function()
      text.segments "ab\xff"
    end, "text.segments: byte 3 is not valid UTF%-8")
  end)
end)

describe("text.fold", function()
  it("turns what is typographic into the GSM alphabet", function()
    assert.are.equal('"Bayad" - PHP100... don\'t', text.fold "“Bayad” – ₱100… don’t")
    assert.are.equal("a b", text.fold "a\u{00A0}b")
  end)

  it("leaves all other characters", function()
    assert.are.equal("ç 😀 Ñ", text.fold "ç 😀 Ñ")
  end)
end)

describe("text.transliterate", function()
  it("takes away the accents that the GSM alphabet has not", function()
    assert.are.equal("Dvorak, Acao, nguoi, Lodz, Stefan", text.transliterate
      "Dvořák, Ação, người, Łódź, Ștefan")
    assert.are.equal("Niño é à Ü ß", text.transliterate "Niño é à Ü ß")
    assert.are.equal("OEuvre (c) THB10", text.transliterate "Œuvre © ฿10")
  end)

  it("folds what is typographic", function()
    assert.are.equal("'PHP100' - \"ja\"", text.transliterate "‘₱100’ – «ja»")
  end)

  it("drops accents of decomposed letters", function()
    assert.are.equal("cafe", text.transliterate "cafe\u{0301}")
  end)

  it("leaves the rest, or replaces it, which makes the text cheap for certain", function()
    assert.are.equal("hi 😀 日本", text.transliterate "hi 😀 日本")
    assert.are.equal("hi ? ??", text.transliterate("hi 😀 日本", { replacement = "?" }))
    assert.are.equal("GSM-7", text.segments(text.transliterate("ж😀\tα`", { replacement = "" })).encoding)
  end)

  it("refuses a costly replacement", function()
    assert.error_matches(function()
      text.transliterate("a", { replacement = "•" })
    end, "the replacement is not of the GSM alphabet")
  end)
end)

describe("text.cost", function()
  it("is the parts' price", function()
    assert.are.same({ 1.5, 3 }, { text.cost(("a"):rep(400), { price = 0.5 }) })
    assert.are.same({ 0, 0 }, { text.cost("", { price = 1 }) })
  end)

  it("needs a price", function()
    local _, reason = pcall(function() text.cost "a" end)
    assert.matches("^tests/host/text_spec.lua:%d+: text.cost: option 'price' is missing", reason)
  end)
end)

describe("text.split", function()
  local sentence = ("The quick brown fox jumps over the lazy dog. "):rep(8):sub(1, -2) -- 359 characters

  it("leaves what fits", function()
    assert.are.same({ "Kumusta" }, text.split("Kumusta", { numbered = "(%d/%d) " }))
  end)

  it("cuts between words into messages of one part", function()
    local pieces = text.split(sentence)
    assert.are.equal(3, #pieces)
    assert.are.equal(sentence, table.concat(pieces, " "))
    for _, piece in ipairs(pieces) do
      assert.are.equal(1, text.segments(piece).parts)
    end
  end)

  it("numbers them within the parts", function()
    local pieces = text.split(("a"):rep(400), { numbered = "(%d/%d) " })
    assert.are.equal("(1/3) aaa", pieces[1]:sub(1, 9))
    assert.are.equal("(3/3) aaa", pieces[3]:sub(1, 9))
    assert.is_true(#pieces[1] <= 160)
  end)

  it("gives each as many parts as it is told", function()
    local pieces = text.split(sentence, { segments = 2 })
    assert.are.equal(2, #pieces)
    assert.are.equal(2, text.segments(pieces[1]).parts)
  end)

  it("counts each message's own alphabet", function()
    local pieces = text.split(("a"):rep(160) .. ("😀"):rep(10))
    assert.are.equal(2, #pieces)
    assert.is_truthy(utf8.len(pieces[2]))
  end)

  it("refuses what takes too many", function()
    assert.error_matches(function() text.split(("a"):rep(2000)) end, "more than 10 messages")
    assert.error_matches(function() text.split(("a"):rep(500), { most = 2 }) end, "more than 2 messages")
    assert.error_matches(function() text.split("a", { numbred = "" }) end, "did you mean 'numbered'%?")
  end)
end)

describe("text.fit", function()
  it("leaves what fits", function()
    assert.are.equal(("a"):rep(160), text.fit(("a"):rep(160), { segments = 1 }))
    assert.are.equal("", text.fit("", { segments = 1 }))
  end)

  it("cuts to the parts, with an ellipsis that is counted", function()
    local cut = text.fit(("a"):rep(161), { segments = 1 })
    assert.are.equal(("a"):rep(157) .. "...", cut)
    assert.are.equal(("a"):rep(160), text.fit(("a"):rep(161), { segments = 1, ellipsis = "" }))
  end)

  it("cuts between characters, never within one", function()
    local cut = text.fit(("😀"):rep(100), { segments = 2 })
    assert.are.equal(2, text.segments(cut).parts)
    assert.is_truthy(utf8.len(cut))
    assert.are.equal(("😀"):rep(65) .. "...", cut)
  end)

  it("keeps the cheap alphabet where the costly character is cut off", function()
    local cut = text.fit(("a"):rep(200) .. "₱", { segments = 1 })
    assert.are.same({ encoding = "GSM-7", units = 160, parts = 1 }, text.segments(cut))
  end)

  it("folds first where it is told to", function()
    assert.are.equal(("a"):rep(150) .. "PHP", text.fit(("a"):rep(150) .. "₱", { segments = 1, fold = true }))
  end)

  it("takes a moment only for a long text", function()
    local started = os.clock()
    text.fit(("a₱😀"):rep(20000), { segments = 3 })
    assert.is_true(os.clock() - started < 0.05)
  end)

  it("fits every beginning of a text, whatever the alphabet", function()
    local body = ("abc€😀"):rep(60)
    for parts = 1, 6 do
      for length = 1, 300, 7 do
        local cut = text.fit(body:sub(1, utf8.offset(body, length + 1) - 1), { segments = parts })
        assert.is_true(text.segments(cut).parts <= parts)
      end
    end
  end)

  it("names a wrong option", function()
    assert.error_matches(function()
      text.fit("a", { segment = 1 })
    end, "text.fit: unknown option 'segment'; did you mean 'segments'")
    assert.error_matches(function()
      text.fit("a", { segments = 0 })
    end, "text.fit: segments must be 1 or more, not 0")
  end)
end)
