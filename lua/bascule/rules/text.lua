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

-- The alphabet, the places that the text takes in all, and whether any character takes two.
local function measure(body)
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

local fit_options <const> = { segments = "number", ellipsis = "string", fold = "boolean" }

local function check_options(options)
  for name, value in pairs(options) do
    local expected = fit_options[name]
    if not expected then
      error(("text.fit: unknown option %s; it has segments, ellipsis, fold"):format(tostring(name)), 3)
    elseif type(value) ~= expected then
      error(("text.fit: %s must be a %s, not a %s"):format(name, expected, type(value)), 3)
    end
  end
  if not options.segments or options.segments < 1 or math.type(options.segments) ~= "integer" then
    error("text.fit: segments must be a whole number, 1 or more", 3)
  end
end

-- The longest beginning that fits with the ellipsis; more characters never take fewer parts, so halving finds it.
local function cut(body, length, most, ellipsis)
  local low, high = 0, math.min(length, most * gsm.single)
  while low < high do
    local middle = (low + high + 1) // 2
    local candidate = body:sub(1, utf8.offset(body, middle + 1) - 1)
    if parts_of(candidate .. ellipsis) <= most then
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
  local length = check(body, "fit")
  check_options(options)
  if options.fold then
    body = text.fold(body)
    length = utf8.len(body)
  end
  local most = options.segments
  if length <= most * gsm.single and parts_of(body) <= most then
    return body
  end
  local ellipsis = options.ellipsis or "..."
  return cut(body, length, most, ellipsis):gsub("%s+$", "") .. ellipsis
end

return text
