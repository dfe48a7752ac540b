-- busted's output as one line of JSON, for `bascule rules test`: { passed, failures = { { name, what } } }.
local json = require "host.json"

local function failure_of(failure)
  local what = type(failure.message) == "string" and failure.message or tostring(failure.message)
  return { name = failure.name, what = what }
end

return function()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()

  function handler.finish()
    local failures = json.array {}
    for _, list in ipairs { handler.failures, handler.errors } do
      for _, failure in ipairs(list) do
        failures[#failures + 1] = failure_of(failure)
      end
    end
    print((json.encode { passed = handler.successesCount, failures = failures }))
    return nil, true
  end

  busted.subscribe({ "suite", "end" }, handler.finish)
  return handler
end
