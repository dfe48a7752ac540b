-- Runs under the host itself (`bascule lua`): lua/meta/host.lua, which editors and people read, tells of every function
-- that the host has, and of no other.
local documented = {} -- module -> name -> true
do
  local module
  for line in io.lines "lua/meta/host.lua" do
    module = line:match "^%-%-%-@class host%.([%w]+)$" or module
    local name = line:match "^function [%w]+%.([%w_]+)%("
    if name then
      documented[module] = documented[module] or {}
      documented[module][name] = true
    end
  end
end

local function names(functions)
  local list = {}
  for name in pairs(functions) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

describe("lua/meta/host.lua", function()
  it("was read", function()
    assert.is_true(#names(documented) >= 14)
    assert.is_true(documented.store.message_accept)
  end)

  for _, module in ipairs(names(documented)) do
    it("tells all of host." .. module, function()
      local functions = {}
      for name, value in pairs(require("host." .. module)) do
        functions[name] = type(value) == "function" or nil
      end
      assert.are.same(names(documented[module]), names(functions))
    end)
  end
end)
