-- Holds the string, table and utf8 libraries of rules to Lua's own: the same calls of both, made up by a generator
-- with a fixed seed, must give the same results and the same errors. Arguments: ours, Lua's, rounds; each of the first
-- two { string =, table =, utf8 = }. Returns how many calls succeeded, so that a test sees that some did.
local ours, plain, rounds = ...

local state = 20240517
local function random(most) -- 1 to most
  state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
  return ((state >> 33) % most) + 1
end

local function pick(list) return list[random(#list)] end

local succeeded = 0

local function show(value)
  if type(value) ~= "table" then return (string.format("%q", value)) end
  local out = {}
  for i = 1, #value do out[i] = tostring(value[i]) end
  return "{" .. table.concat(out, ",") .. "}"
end

-- Errors of arguments name the function by where it is found, which differs here.
local function outcome(ok, ...)
  if ok then return true, table.pack(...) end
  return false, { n = 1, (tostring((...)):gsub("to '[^']*'", "to '?'")) }
end

local function same(what, ...)
  local library, name = what:match("(%w+)%.([%w_]+)")
  local ok_ours, got = outcome(pcall(ours[library][name], ...))
  local ok_plain, wanted = outcome(pcall(plain[library][name], ...))
  local equal = ok_ours == ok_plain and got.n == wanted.n
  for i = 1, wanted.n do equal = equal and got[i] == wanted[i] end
  if equal then
    succeeded = succeeded + (ok_ours and 1 or 0)
    return
  end
  local arguments, results, expected = table.pack(...), {}, {}
  for i = 1, arguments.n do arguments[i] = show(arguments[i]) end
  for i = 1, got.n do results[i] = tostring(got[i]) end
  for i = 1, wanted.n do expected[i] = tostring(wanted[i]) end
  error(("%s(%s): %s %s; Lua: %s %s"):format(what, table.concat(arguments, ", "), ok_ours, table.concat(results, ", "),
    ok_plain, table.concat(expected, ", ")), 0)
end

local letters = { "a", "a", "b", "c", "A", "1", "9", " ", "%", ".", "-", "]", "[", "^", "(", ")", "\0", "\xff", "\n" }
local items = {
  "a", "b", "c", "1", ".", ".", "%a", "%d", "%s", "%w", "%W", "%p", "%u", "%l", "%x", "%c", "%g", "%z", "%%", "%.",
  "[ab]", "[^ab]", "[a-c]", "[^a-b1]", "[%a1]", "[%w%-]", "[]]", "[^]]", "[a-]", "[-a]", "[%]]", "[a-%]",
  "[\0a]", "\0", "\xff", "%bab", "%b()", "%b((", "%f[a]", "%f[%w]", "%f[^a]", "%1", "%2", "%0",
  "(", ")", "()", "(a)", "(.-)", "(a*)", "(.)",
  "^", "$", "*", "+", "-", "?", "%", "[", "]", "[^", "%f", "%b", "%ba", "[%", "[a", "-a", "%q", "%E",
}
local suffixes = { "", "", "", "", "*", "+", "-", "?" }
local replacements = { "", "x", "<%0>", "%1", "%2", "%%", "%", "%q", "[%1%0]", "\0%0", 7 }

local function text(longest)
  local out = {}
  for i = 1, random(longest + 1) - 1 do out[i] = pick(letters) end
  return table.concat(out)
end

local function pattern()
  local out = { random(8) == 1 and "^" or "" }
  for i = 1, random(6) - 1 do out[i + 1] = pick(items) .. pick(suffixes) end
  return table.concat(out) .. (random(8) == 1 and "$" or "")
end

local inits = { 0, 1, 2, 3, 5, 20, -1, -2, -20, math.maxinteger, math.mininteger }

-- gmatch as one call, and bounded: all that it yields.
for _, library in ipairs { ours, plain } do
  function library.string.gmatch_all(...)
    local out = {}
    for a, b in library.string.gmatch(...) do
      out[#out + 1] = tostring(a) .. "," .. tostring(b)
      if #out > 50 then error("endless", 0) end
    end
    return table.concat(out, ";")
  end
  function library.table.after(name, list, ...)
    local copy = table.move(list, 1, #list, 1, {})
    local result = library.table[name](copy, ...)
    return type(result) == "table" or result, table.concat(copy, ",")
  end
end

local function matching()
  local subject, items_ = text(12), pattern()
  local init = random(3) == 1 and pick(inits) or nil
  same("string.find", subject, items_, init)
  same("string.find", subject, text(2), init, random(2) == 1)
  same("string.match", subject, items_, init)
  same("string.gmatch_all", subject, items_, init)
  same("string.gsub", subject, items_, pick(replacements), random(3) == 1 and random(4) - 2 or nil)
  same("string.gsub", subject, items_, { a = "x", b = 1, c = false, ab = true, [1] = "one" })
  same("string.gsub", subject, items_, function(a, b)
    if a == "c" then return {} end
    return b or (a ~= "b" and a)
  end)
end

local function strings()
  local subject, i, j = text(12), random(16) - 8, random(16) - 8
  for _, name in ipairs { "len", "lower", "upper", "reverse" } do same("string." .. name, subject) end
  same("string.sub", subject, i, j)
  same("string.byte", subject, i, j)
  same("string.char", i, j)
  same("string.rep", subject, i, pick { "", ",", 1 })
  same("string.format", pick { "%d", "%5s|%-5s", "%q", "%x", "%5.1f", "%s %s", "%", "%y", "%c", "%%" }, subject, i)
  same("string.format", "%d %05.1f %s %i", i, j, subject, j)
  same("string.pack", pick { "z", "s1", "c5", "i4", "<I2", "!8i8", "c-1", "y", "i17" }, subject)
  same("string.unpack", pick { "z", "s1", "c2", "B", "<I2", "i4", "c20" }, subject, i)
  same("string.packsize", pick { "c5i4", "!8 b i8", "z", "<i2" })
  same("utf8.len", subject, i, j)
  same("utf8.codepoint", subject, i, j)
  same("utf8.offset", subject, i, j)
  same("utf8.char", random(0x20000), random(300))
end

local function list()
  local out = {}
  for n = 1, random(12) - 1 do out[n] = random(9) end
  return out
end

local function tables()
  local values, i, j = list(), random(16) - 4, random(16) - 4
  same("table.after", "insert", values, i)
  same("table.after", "insert", values, i, j)
  same("table.after", "insert", values, i, j, 1)
  same("table.after", "remove", values)
  if i >= 1 and i <= #values + 1 then same("table.after", "remove", values, i) end
  same("table.after", "sort", values)
  same("table.after", "sort", values, function(a, b) return a > b end)
  same("table.after", "move", values, 1, i, j)
  same("table.concat", values, pick { "", ", ", 5 }, pick(inits) > 0 and 1 or 2, #values - 1 + random(2))
  same("table.concat", { 1, {}, 3 })
  same("table.unpack", values, i, j)
end

for _ = 1, rounds do
  matching()
  strings()
  tables()
end

-- What random texts do not meet.
for n = 195, 205 do
  same("string.find", ("a"):rep(300), ("a?"):rep(n))
  same("string.find", ("a"):rep(300), ("a*"):rep(n))
  same("string.find", ("a"):rep(300), ("a"):rep(n))
end
for n = 30, 34 do same("string.find", ("a"):rep(40), ("(a)"):rep(n)) end
for _, name in ipairs { "find", "match", "gsub", "gmatch", "rep", "format" } do
  same("string." .. name)
  same("string." .. name, "a")
  same("string." .. name, {}, "a")
  same("string." .. name, "a", {})
  same("string." .. name, "a", "a", {})
end
for _, name in ipairs { "insert", "remove", "concat", "sort", "unpack", "move" } do
  same("table." .. name)
  same("table." .. name, 5)
  same("table." .. name, "text", 1, 2)
end
same("table.sort", { 3, 2, 1 }, 5)
same("table.unpack", {}, 1, 1e8)
same("string.rep", "x", 1 << 62, ",")
same("string.rep", "x", math.maxinteger)
same("table.concat", { [math.maxinteger] = "last" }, ",", math.maxinteger)
same("table.insert", setmetatable({}, { __len = function() return math.maxinteger end }), 5)
same("table.move", {}, math.mininteger, 0, 2)
return succeeded
