-- How two decisions, or two messages, differ.
local differences = {}

--- Deeply, for plain values.
---@param a any
---@param b any
---@return boolean
function differences.same(a, b)
  if a == b then
    return true
  elseif type(a) ~= "table" or type(b) ~= "table" then
    return false
  end
  for key, value in pairs(a) do
    if not differences.same(value, b[key]) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

---@class bascule.Difference
---@field name string
---@field before any
---@field after any

--- The fields in which two tables differ, by name.
---@param before table
---@param after table
---@return bascule.Difference[]
function differences.fields(before, after)
  local list = {}
  for name, value in pairs(before) do
    if not differences.same(value, after[name]) then
      list[#list + 1] = { name = name, before = value, after = after[name] }
    end
  end
  for name, value in pairs(after) do
    if before[name] == nil then
      list[#list + 1] = { name = name, after = value }
    end
  end
  table.sort(list, function(a, b)
    return a.name < b.name
  end)
  return list
end

return differences
