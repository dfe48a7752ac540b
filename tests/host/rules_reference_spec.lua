-- What rules are given is what the reference (docs/rules-api.md) says: no function without its text, no text without
-- its function. The page itself is made of these files by scripts/api-page.
local dryrun = require "host.dryrun"
local lfs = require "lfs"

require "bascule.testing" -- finds the rules' library

local stub <const> = "lua/meta/rules.lua"
local folder <const> = "lua/bascule/rules/"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

local function sorted(set)
  local list = {}
  for name in pairs(set) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

-- name -> { doc, params, parameters } of "function OWNER.name(parameters)".
local function documented(path, owner)
  local found, doc, params = {}, false, {}
  for line in io.lines(path) do
    local name, parameters = line:match("^function " .. owner .. "%.([%w_]+)%(([^)]*)%)")
    if name then
      found[name] = { doc = doc, params = params, parameters = parameters }
    end
    doc = line:find "^%-%-%-" and (doc or not line:find "^%-%-%-@") or false
    params[line:match "^%-%-%-@param ([%w_]+)" or ""] = true
    params = line:find "^%-%-%-" and params or {}
  end
  return found
end

-- The fields of a class in the stub.
local function fields_of(class)
  local found, inside = {}, false
  for line in io.lines(stub) do
    local name = line:match "^%-%-%-@class ([%w_.]+)"
    inside = name == class or inside and line:find "^%-%-%-@field" ~= nil
    found[inside and line:match "^%-%-%-@field ([%w_]+)" or ""] = true
  end
  found[""] = nil
  return found
end

-- What a rule, run by the host, says: `body` is Lua that gives a table of names.
local function ask(body, kind)
  local source = ([[
    return {
      locations = { "location1" },
      memory = { today = { kind = "counter", per = "location", window = "day", zone = "UTC" } },
      %s = function(message, context)
        local names = {}
        for name in pairs(%s) do names[#names + 1] = name end
        table.sort(names)
        return context.reject(table.concat(names, " "))
      end,
    }
  ]]):format(kind or "outbound", body)
  local rules = assert(dryrun.open { { slug = "asked", path = "asked.lua", source = source } })
  local context = { now = 0, location = "location1", company = "company1", settings = {}, seed = 0, attempt = 0 }
  context.memory = { today = { count = 0 } }
  local message = { to = "+639171234567", body = "", attachments = {}, status = "delivered", from = "x" }
  local decision = assert(rules:call(kind or "outbound", "asked", message, context))
  local names = {}
  for name in decision.reason:gmatch "%S+" do
    names[name] = true
  end
  return names
end

describe("the reference of rules", function()
  for name in lfs.dir(folder) do
    local module = name:match "^([%w_]+)%.lua$"
    if module and module ~= "default" then
      it("tells all of bascule." .. module, function()
        local functions = {}
        for key, value in pairs(require("bascule." .. module)) do
          functions[key] = type(value) == "function" or nil
        end
        assert.are.same(sorted(functions), sorted(documented(folder .. name, module)))
        assert.is_truthy(read("docs/rules-api.md"):find(('## `require "bascule.%s"`'):format(module), 1, true))
      end)

      it("has a text and every parameter of each function of bascule." .. module, function()
        for key, entry in pairs(documented(folder .. name, module)) do
          assert.is_true(entry.doc, module .. "." .. key .. " has no text")
          for parameter in entry.parameters:gmatch "[%w_]+" do
            assert.is_true(entry.params[parameter], ("%s.%s: ---@param %s is missing"):format(module, key, parameter))
          end
        end
      end)
    end
  end

  for _, kind in ipairs { "outbound", "inbound", "report" } do
    it("tells all fields of the context of " .. kind, function()
      assert.are.same(sorted(fields_of "bascule.Context"), sorted(ask("context", kind)))
    end)
  end

  -- Rules cannot list them: they stand behind a metatable. The rows of C that register them can be read.
  it("tells all functions of the context", function()
    local registered = {}
    for _, file in ipairs { "rule_result.c", "rule_effects.c" } do
      for name, call in read("host/script/" .. file):gmatch '{"([%w_]+)", ([%w_]+)}' do
        registered[name] = call ~= "NULL" or nil
      end
    end
    assert.are.same(sorted(documented(stub, "context")), sorted(registered))
    local names = ("{ %s = 1 }"):format(table.concat(sorted(registered), " = 1, "))
    local there = ask(("(function() local found = {} for name in pairs(%s) do found[name] = context[name] end "
      .. "return found end)()"):format(names))
    assert.are.same(sorted(registered), sorted(there))
  end)

  it("tells all of t", function()
    local source = [[
      return {
        locations = { "location1" },
        outbound = function(message) return message end,
        tests = { names = function(t)
          local names = {}
          for name in pairs(t) do names[#names + 1] = name end
          table.sort(names)
          error("names " .. table.concat(names, " "), 0)
        end },
      }
    ]]
    local rules = assert(dryrun.open { { slug = "asked", path = "asked.lua", source = source } })
    local names = {}
    for name in rules:tests("asked")[1].failure:match("names (.*)$"):gmatch "%S+" do
      names[name] = true
    end
    assert.are.same(sorted(documented(stub, "t")), sorted(names))
  end)

  it("is a page of whole blocks, without comments that are not for authors", function()
    local page = "\n" .. read "docs/rules-api.md"
    local _, fences = page:gsub("\n```", "")
    assert.are.equal(0, fences % 2)
    assert.is_nil(page:match "\n%-@[^\n]*")
    assert.is_nil(page:match "\n\n```\n")
  end)

  it("tells luacheck of an agency's folder what there is", function()
    local environment = {}
    assert(loadfile("lua/kit/luacheckrc", "t", setmetatable(environment, {
      __index = function()
        return {}
      end,
    })))()
    local listed = { _G = true }
    for _, name in ipairs(environment.std.read_globals) do
      listed[name] = true
    end
    assert.are.same(sorted(listed), sorted(ask "_G"))
  end)
end)
