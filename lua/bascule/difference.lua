-- The difference of two texts by lines, in the unified format (POSIX, diff -u).
--
-- The shortest edit script is looked for as Myers does ("An O(ND) Difference Algorithm and Its Variations", 1986).
-- Texts that share next to nothing would take long: past `most_edits` edits or `most_steps` steps everything between
-- the first and the last line that differ is told as replaced, which is true as well.
local difference = {}

local context_lines <const> = 3
local most_edits <const> = 500 -- memory grows with its square: 250,000 integers
local most_steps <const> = 1000000 -- some 30 ms on an event loop

local function lines_of(text)
  local lines = {}
  if text ~= "" then -- of which gmatch would find one
    for line in text:gmatch "([^\n]*)\n?" do
      lines[#lines + 1] = line
    end
  end
  return lines
end

-- How many lines are the same at the beginning, and of the rest at the end.
local function common(old, new)
  local most = math.min(#old, #new)
  local first, last = 0, 0
  while first < most and old[first + 1] == new[first + 1] do
    first = first + 1
  end
  while last < most - first and old[#old - last] == new[#new - last] do
    last = last + 1
  end
  return first, last
end

-- ---- the shortest edit script

-- By each number of edits: how far down the old lines each diagonal reaches. Lines are those after `first` and before
-- the last `old_count`, `new_count`. Nil where it takes too much.
local function search(old, new, first, old_count, new_count)
  local trace, reach, steps = {}, { [1] = 0 }, 0
  for edits = 0, math.min(old_count + new_count, most_edits) do
    local snapshot = {}
    for diagonal = -edits, edits, 2 do
      local left, right = reach[diagonal - 1], reach[diagonal + 1]
      local down = diagonal == -edits or (diagonal ~= edits and left < right)
      local x = down and right or left + 1
      local y = x - diagonal
      while x < old_count and y < new_count and old[first + x + 1] == new[first + y + 1] do
        x, y, steps = x + 1, y + 1, steps + 1
      end
      reach[diagonal], snapshot[diagonal], steps = x, x, steps + 1
      if x >= old_count and y >= new_count then
        return trace, edits
      elseif steps > most_steps then
        return nil
      end
    end
    trace[edits] = snapshot
  end
  return nil
end

-- Marks which lines are gone and which are new, walking the trace back from the end.
local function mark(trace, edits, x, y, first, gone, added)
  for step = edits, 1, -1 do
    local before = trace[step - 1]
    local diagonal = x - y
    local left, right = before[diagonal - 1], before[diagonal + 1]
    local down = diagonal == -step or (diagonal ~= step and left < right)
    local previous = down and diagonal + 1 or diagonal - 1
    local from_x = before[previous]
    local from_y = from_x - previous
    if down then
      added[first + from_y + 1] = true
    else
      gone[first + from_x + 1] = true
    end
    x, y = from_x, from_y
  end
end

-- Which lines of `old` are gone and which of `new` were added: sets of numbers.
local function edits_of(old, new)
  local gone, added = {}, {}
  local first, last = common(old, new)
  local old_count, new_count = #old - first - last, #new - first - last
  local trace, edits = search(old, new, first, old_count, new_count)
  if trace then
    mark(trace, edits, old_count, new_count, first, gone, added)
    return gone, added
  end
  for index = first + 1, first + old_count do
    gone[index] = true
  end
  for index = first + 1, first + new_count do
    added[index] = true
  end
  return gone, added
end

-- ---- the unified format

-- Lines as "-", "+" or " " with their text, and the numbers that they have in either text.
local function entries_of(old, new, gone, added)
  local entries, x, y = {}, 1, 1
  while x <= #old or y <= #new do
    local entry = { old = x, new = y }
    if gone[x] then
      entry.mark, entry.text, x = "-", old[x], x + 1
    elseif added[y] then
      entry.mark, entry.text, y = "+", new[y], y + 1
    else
      entry.mark, entry.text, x, y = " ", old[x], x + 1, y + 1
    end
    entries[#entries + 1] = entry
  end
  return entries
end

-- From and to which entry each hunk goes: what changed and some lines around it, joined where these meet.
local function hunks_of(entries)
  local hunks = {}
  for index, entry in ipairs(entries) do
    if entry.mark ~= " " then
      local from, to = math.max(1, index - context_lines), math.min(#entries, index + context_lines)
      local newest = hunks[#hunks]
      if newest and from <= newest.to + 1 then
        newest.to = to
      else
        hunks[#hunks + 1] = { from = from, to = to }
      end
    end
  end
  return hunks
end

-- "12,3"; of no line the one before it.
local function range(first, count)
  if count == 0 then
    first = first - 1
  end
  return count == 1 and tostring(first) or ("%d,%d"):format(first, count)
end

local function append_hunk(out, entries, hunk)
  local counts = { [" "] = 0, ["-"] = 0, ["+"] = 0 }
  local place = #out + 1
  out[place] = ""
  for index = hunk.from, hunk.to do
    local entry = entries[index]
    counts[entry.mark] = counts[entry.mark] + 1
    out[#out + 1] = entry.mark .. entry.text
  end
  local begin = entries[hunk.from]
  local old, new = range(begin.old, counts[" "] + counts["-"]), range(begin.new, counts[" "] + counts["+"])
  out[place] = ("@@ -%s +%s @@"):format(old, new)
end

--- The unified difference, "" where there is none. A last line that does not end with "\n" counts as one that does.
---@param old string
---@param new string
---@param old_name string
---@param new_name string
---@return string
function difference.unified(old, new, old_name, new_name)
  local old_lines, new_lines = lines_of(old), lines_of(new)
  local entries = entries_of(old_lines, new_lines, edits_of(old_lines, new_lines))
  local hunks = hunks_of(entries)
  if #hunks == 0 then
    return ""
  end
  local out = { "--- " .. old_name, "+++ " .. new_name }
  for _, hunk in ipairs(hunks) do
    append_hunk(out, entries, hunk)
  end
  return table.concat(out, "\n") .. "\n"
end

return difference
