-- "Did you mean": the nearest of some names to one that was misspelt.
local suggest = {}

-- Damerau-Levenshtein distance (optimal string alignment): a swap of neighbours is one slip, as people make it.
local function distance(a, b)
  local before, above = nil, {}
  for j = 0, #b do
    above[j] = j
  end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (same and 0 or 1))
      if before and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, above = above, row
  end
  return above[#b]
end

-- A name such as "until_" is meant by "untl" too: the "_" makes a name of one of Lua's own words.
local function distance_to_name(word, name)
  local bare = name:match "^(.+)_$"
  return math.min(distance(word, name), bare and distance(word, bare) or math.huge)
end

--- The nearest name, or nil where none is within a third of the word's length.
---@param word string
---@param names string[]
---@return string?
function suggest.nearest(word, names)
  if #word > 64 then
    return nil
  end
  local best, best_distance = nil, math.max(1, #word // 3) + 1
  for _, name in ipairs(names) do
    local found = distance_to_name(word, name)
    if found < best_distance then
      best, best_distance = name, found
    end
  end
  return best
end

--- "; did you mean 'X'?", or an empty text.
---@param word any
---@param names string[]
---@return string
function suggest.hint(word, names)
  local name = suggest.nearest(tostring(word), names)
  return name and ("; did you mean '%s'?"):format(name) or ""
end

--- Raises where a key of `options` is none of the names.
---@param options table
---@param names string[]
---@param level integer of error()
function suggest.check_options(options, names, level)
  local known = {}
  for _, name in ipairs(names) do
    known[name] = true
  end
  for key in pairs(options) do
    if not known[key] then
      error(("unknown option '%s'%s"):format(tostring(key), suggest.hint(key, names)), level + 1)
    end
  end
end

return suggest
