local difference = require "bascule.difference"

local function unified(old, new)
  return difference.unified(old, new, "old", "new")
end

-- As `patch` does: what the difference makes of the old lines.
local function apply(old, patch)
  local lines, out, at = {}, {}, 1
  for line in old:gmatch "[^\n]*\n" do
    lines[#lines + 1] = line
  end
  local function keep_until(line)
    table.move(lines, at, line - 1, #out + 1, out)
    at = line
  end
  for line in patch:gsub("^[^\n]*\n[^\n]*\n", ""):gmatch "[^\n]*\n" do
    local first, count = line:match "^@@ %-(%d+),?(%d*) "
    if first then
      keep_until(count == "0" and first + 1 or math.tointeger(first))
    elseif line:sub(1, 1) == "+" then
      out[#out + 1] = line:sub(2)
    else
      assert(lines[at] == line:sub(2), "the lines around it are those of the old text")
      keep_until(line:sub(1, 1) == " " and at + 1 or at)
      at = line:sub(1, 1) == "-" and at + 1 or at
    end
  end
  keep_until(#lines + 1)
  return table.concat(out)
end

describe("difference", function()
  it("of what is the same is empty", function()
    assert.are.equal("", unified("", ""))
    assert.are.equal("", unified("a\nb\n", "a\nb\n"))
    assert.are.equal("", unified("a", "a\n"))
  end)

  it("names both texts and shows three lines around", function()
    local old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n"
    assert.are.equal(
      "--- old\n+++ new\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n",
      unified(old, (old:gsub("5", "five")))
    )
  end)

  it("joins what is near, and parts what is far", function()
    local old = ("line\n"):rep(20)
    local _, near = unified("a\n" .. old:sub(1, 30) .. "b\n", old:sub(1, 30)):gsub("@@ %-", "")
    local _, far = unified("a\n" .. old .. "b\n", old):gsub("@@ %-", "")
    assert.are.same({ 1, 2 }, { near, far })
  end)

  it("tells of a text that begins or goes whole", function()
    assert.are.equal("--- old\n+++ new\n@@ -0,0 +1,2 @@\n+a\n+b\n", unified("", "a\nb\n"))
    assert.are.equal("--- old\n+++ new\n@@ -1 +0,0 @@\n-a\n", unified("a\n", ""))
  end)

  it("is the shortest", function()
    local _, edits = unified("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n"):gsub("\n[-+][^-+]", "")
    assert.are.equal(5, edits)
  end)

  it("makes the new text of the old one", function()
    local seed = 7
    local function chance(most)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return seed // 65536 % most + 1
    end
    for _ = 1, 300 do
      local old, new = {}, {}
      for index = 1, chance(30) do
        old[index] = chance(6) .. "\n"
        local change = chance(5)
        if change > 1 then
          new[#new + 1] = change == 2 and chance(6) .. "\n" or old[index]
        end
      end
      local from, to = table.concat(old), table.concat(new)
      assert.are.equal(to, apply(from, unified(from, to)))
    end
  end)

  it("of texts that share nothing is bounded, and still true", function()
    local old, new = { "first\n" }, { "first\n" }
    for index = 2, 2000 do
      old[index], new[index] = "old " .. index .. "\n", "new " .. index .. "\n"
    end
    local from, to = table.concat(old), table.concat(new)
    assert.are.equal(to, apply(from, unified(from, to)))
  end)
end)
