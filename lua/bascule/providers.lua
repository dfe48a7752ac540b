-- The provider drivers by name; lua/meta/delivery.lua says what a driver is.
local suggest = require "bascule.suggest"

local providers = {}

local drivers <const> = {
  cast = require "bascule.providers.cast",
}

providers.default = "cast"

---@param name string
---@return bascule.Provider? driver, string? reason
function providers.get(name)
  if drivers[name] then
    return drivers[name]
  end
  local names = {}
  for known in pairs(drivers) do
    names[#names + 1] = known
  end
  table.sort(names)
  local hint = suggest.hint(name, names)
  hint = hint ~= "" and hint or "; there is: " .. table.concat(names, ", ")
  return nil, ("unknown provider '%s'%s"):format(name, hint)
end

return providers
