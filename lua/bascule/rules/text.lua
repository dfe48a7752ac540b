-- The text of an SMS: how many parts it takes, and how to make it take fewer.
--
-- A part holds 160 characters of the GSM 7-bit alphabet, or 70 of any other text (UCS-2). Where there are several parts
-- each is a little shorter, 153 and 67, for they carry their order. One character from outside the GSM alphabet makes
-- the whole message UCS-2. Those of the extension table take two places, as do emoji in UCS-2, and such a pair is not
-- torn between two parts. (3GPP TS 23.038 and 23.040.)
--
--   text.segments("Bayad ₱100")                              -->  { encoding = "UCS-2", units = 10, parts = 1 }
--   text.fit(body, { segments = 3 })                         -->  body, cut with "..." where it is longer
--   text.fold("“Bayad” – ₱100…")                             -->  '"Bayad" - PHP100...'
--   text.transliterate("Dvořák 😀", { replacement = "?" })   -->  "Dvorak ?"
--   text.split(body, { numbered = "(%d/%d) " })              -->  { "(1/2) ...", "(2/2) ..." }
---@meta bascule.text
local arguments = require "host.arguments"

local text = {}

-- The GSM alphabet in the order of its positions, without ESC.
local basic <const> = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
  .. "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
local extension <const> = "\f^{}\\[~]|€"

local septets = {}
for _, code in utf8.codes(basic) do
  septets[code] = 1
end
for _, code in utf8.codes(extension) do
  septets[code] = 2
end

local gsm <const> = { name = "GSM-7", single = 160, several = 153 }
local ucs <const> = { name = "UCS-2", single = 70, several = 67 }

local function check(body, name)
  if type(body) ~= "string" then
    error(("text.%s: the text is a %s"):format(name, type(body)), 3)
  end
  local length, bad = utf8.len(body)
  if not length then
    error(("text.%s: byte %d is not valid UTF-8"):format(name, bad), 3)
  end
  return length
end

-- What is outside the part of ASCII that the GSM alphabet has at one place each.
local not_simple <const> = "[^\n\r -Z_a-z]"

-- The alphabet, the places that the text takes in all, and whether any character takes two.
local function measure(body)
  if not body:find(not_simple) then
    return gsm, #body, false
  end
  local units, wide, plain, wide_plain = 0, false, true, false
  local code_units = 0
  for _, code in utf8.codes(body) do
    local cost = plain and septets[code]
    if cost then
      units, wide_plain = units + cost, wide_plain or cost == 2
    else
      plain = false
    end
    code_units, wide = code_units + (code > 0xFFFF and 2 or 1), wide or code > 0xFFFF
  end
  if plain then
    return gsm, units, wide_plain
  end
  return ucs, code_units, wide
end

local function cost_of(alphabet, code)
  if alphabet == gsm then
    return septets[code]
  end
  return code > 0xFFFF and 2 or 1
end

-- Parts are filled greedily; a pair that does not fit goes to the next one.
local function count_parts(body, alphabet, units, wide)
  if units <= alphabet.single then
    return units > 0 and 1 or 0
  elseif not wide then
    return (units + alphabet.several - 1) // alphabet.several
  end
  local parts, filled = 1, 0
  for _, code in utf8.codes(body) do
    local cost = cost_of(alphabet, code)
    if filled + cost > alphabet.several then
      parts, filled = parts + 1, 0
    end
    filled = filled + cost
  end
  return parts
end

local function parts_of(body)
  local alphabet, units, wide = measure(body)
  return count_parts(body, alphabet, units, wide), alphabet, units
end

---@class bascule.text.Segments
---@field encoding "GSM-7"|"UCS-2"
---@field units integer septets, or UTF-16 code units
---@field parts integer 0 for an empty text

--- The alphabet that the text needs, and how many parts it takes.
---@param body string
---@return bascule.text.Segments
function text.segments(body)
  check(body, "segments")
  local parts, alphabet, units = parts_of(body)
  return { encoding = alphabet.name, units = units, parts = parts }
end

-- What costs much and means the same in the GSM alphabet.
local folds <const> = {
  ["₱"] = "PHP",
  ["‘"] = "'",
  ["’"] = "'",
  ["‚"] = "'",
  ["“"] = '"',
  ["”"] = '"',
  ["„"] = '"',
  ["‐"] = "-",
  ["‑"] = "-",
  ["‒"] = "-",
  ["–"] = "-",
  ["—"] = "-",
  ["…"] = "...",
  ["•"] = "-",
  ["`"] = "'",
  ["\u{00A0}"] = " ",
  ["\u{2009}"] = " ",
  ["\u{202F}"] = " ",
  ["\u{200B}"] = "",
  ["\u{FEFF}"] = "",
}

--- Typographic characters and the peso sign in the GSM alphabet; other characters stay.
---@param body string
---@return string
function text.fold(body)
  check(body, "fold")
  return (body:gsub(utf8.charpattern, folds))
end

-- The plain letters of the characters from `first` on; "?" where there is none.
local letters <const> = {
  { first = 0xC0, plain = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuytyAaAaAaCcCcCcCcDdDdEeEeEeEeEe"
    .. "GgGgGgGgHhHhIiIiIiIiIiIiJjKkkLlLlLlLlLlNnNnNnnNnOoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs" },
  { first = 0x1A0, plain = "Oo" },
  { first = 0x1AF, plain = "Uu" },
  { first = 0x1CD, plain = "AaIiOoUuUuUuUuUu" },
  { first = 0x218, plain = "SsTt" },
  { first = 0x1E00, plain = "AaBbBbBbCcDdDdDdDdDdEeEeEeEeEeFfGgHhHhHhHhHhIiIiKkKkKkLlLlLlLlMmMmMmNnNnNnNnOoOoOoOoPpPpRr"
    .. "RrRrRrSsSsSsSsSsTtTtTtTtUuUuUuUuUuVvVvWwWwWwWwWwXxXxYyZzZzZzhtwy??????AaAaAaAaAaAaAaAaAaAaAaAaEeEeEeEeEeEe"
    .. "EeEeIiIiOoOoOoOoOoOoOoOoOoOoOoOoUuUuUuUuUuUuUuYyYyYyYy" },
}
local several_letters <const> = {
  ["Œ"] = "OE", ["œ"] = "oe", ["Þ"] = "Th", ["þ"] = "th", ["Ĳ"] = "IJ", ["ĳ"] = "ij", ["™"] = "TM", ["©"] = "(c)",
  ["®"] = "(r)", ["«"] = '"', ["»"] = '"', ["´"] = "'", ["·"] = ".", ["№"] = "No", ["₩"] = "KRW", ["₫"] = "VND",
  ["฿"] = "THB", ["₹"] = "INR", ["₦"] = "NGN", ["¢"] = "c", ["°"] = "o",
  ["\t"] = " ",
}

-- A character in the GSM alphabet, or nil. Accents that stand alone (decomposed letters) go without a trace.
local function plain_of(character)
  local code = utf8.codepoint(character)
  if septets[code] then
    return character
  end
  for _, range in ipairs(letters) do
    local letter = code >= range.first and range.plain:sub(code - range.first + 1, code - range.first + 1) or ""
    if letter ~= "" then
      return several_letters[character] or letter ~= "?" and letter or nil
    end
  end
  return several_letters[character] or code >= 0x300 and code <= 0x36F and "" or nil
end

-- Everything outside ASCII, and what of ASCII the GSM alphabet has not.
local not_plain <const> = "[\x01-\x09\x0B\x0E-\x1F`\x7F\xC2-\xFD][\x80-\xBF]*"

--- The text in the GSM alphabet as far as that can be: folded, and letters without the accents that it does not have
--- (é and ñ stay). What is left (emoji, other scripts) stays too, or is replaced.
---@param body string
---@param options? {replacement?: string} "?", or "": then the text is of the GSM alphabet alone
---@return string
function text.transliterate(body, options)
  local replacement = arguments.options("text.transliterate", options, { replacement = "string" }).replacement
  check(body, "transliterate")
  if replacement and measure(replacement) ~= gsm then
    error("text.transliterate: the replacement is not of the GSM alphabet itself", 2)
  end
  return (body:gsub(not_plain, function(character)
    return folds[character] or plain_of(character) or replacement
  end))
end

--- What the text costs at so much a part, and its parts.
---@param body string
---@param options {price: number} of one part
---@return number cost, integer parts
function text.cost(body, options)
  local price = arguments.options("text.cost", options, { price = "number!" }).price
  check(body, "cost")
  local parts = parts_of(body)
  return parts * price, parts
end

local fit_options <const> = { segments = "integer!", ellipsis = "string", fold = "boolean" }
local split_most <const> = 10 -- what context.split takes

local function check_segments(segments, name)
  if segments < 1 then
    error(("text.%s: segments must be 1 or more, not %d"):format(name, segments), 3)
  end
end

-- The longest beginning that fits with what goes before and after it; more characters never take fewer parts, so
-- halving finds it.
local function cut(body, length, most, before, after)
  local low, high = 0, math.min(length, most * gsm.single)
  while low < high do
    local middle = (low + high + 1) // 2
    local candidate = body:sub(1, utf8.offset(body, middle + 1) - 1)
    if parts_of(before .. candidate .. after) <= most then
      low = middle
    else
      high = middle - 1
    end
  end
  return body:sub(1, utf8.offset(body, low + 1) - 1)
end

--- The text within at most `segments` parts: as it is where it fits, else cut, with the ellipsis ("...") at its end.
--- `fold` folds it first.
---@param body string
---@param options {segments: integer, ellipsis?: string, fold?: boolean}
---@return string
function text.fit(body, options)
  local given = arguments.options("text.fit", options, fit_options)
  check_segments(given.segments, "fit")
  local length = check(body, "fit")
  if given.fold then
    body = text.fold(body)
    length = utf8.len(body)
  end
  local most = given.segments
  if length <= most * gsm.single and parts_of(body) <= most then
    return body
  end
  local ellipsis = given.ellipsis or "..."
  return cut(body, length, most, "", ellipsis):gsub("%s+$", "") .. ellipsis
end

-- A piece ends at a space where one is in its second half, and is not torn in the middle of a word.
local function end_at_space(piece, rest)
  if #piece == #rest or rest:find("^%s", #piece + 1) then
    return piece
  end
  local space = piece:find "%s%S*$"
  return space and space > #piece // 2 and piece:sub(1, space) or piece
end

-- The text in pieces, each with room for a prefix; nil where they are more than `most`.
local function pieces_of(body, segments, prefix, most)
  local pieces, rest = {}, body:gsub("^%s+", "")
  while rest ~= "" do
    local piece = end_at_space(cut(rest, utf8.len(rest), segments, prefix, ""), rest)
    if piece == "" or #pieces == most then
      return nil
    end
    pieces[#pieces + 1] = piece:gsub("%s+$", "")
    rest = rest:sub(#piece + 1):gsub("^%s+", "")
  end
  return pieces
end

local split_options <const> = { segments = "integer", numbered = "string", most = "integer" }

local function number(pieces, form)
  for i, piece in ipairs(pieces) do
    pieces[i] = form:format(i, #pieces) .. piece
  end
  return pieces
end

--- The text as a list of messages of at most `segments` parts each (1), for context.split; cut between words where that
--- can be. `numbered` is a prefix for each where there are several: "(%d/%d) ". Raises where they would be more than
--- `most` (10).
---@param body string
---@param options? {segments?: integer, numbered?: string, most?: integer}
---@return string[]
function text.split(body, options)
  local given = arguments.options("text.split", options, split_options)
  local segments, most = given.segments or 1, given.most or split_most
  check_segments(segments, "split")
  check(body, "split")
  if most < 1 or most > split_most then
    error(("text.split: most is 1 to %d, not %d"):format(split_most, most), 2)
  elseif parts_of(body) <= segments then
    return { body }
  end
  local prefix = given.numbered and given.numbered:format(most, most) or ""
  local pieces = pieces_of(body, segments, prefix, most)
  if not pieces then
    error(("text.split: the text takes more than %d messages"):format(most), 2)
  end
  return given.numbered and number(pieces, given.numbered) or pieces
end

return text
