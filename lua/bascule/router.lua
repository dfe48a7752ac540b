-- Paths to handlers. A table of routes is a list of rows { method, path, handler }:
--
--   { "GET", "/admin/v1/messages/:id", show }     one segment, given to the handler as parameters.id
--   { "GET", "/ghl/*", pass_on }                  everything below, as parameters.rest
--
-- A handler is called as handler(request, parameters). Paths without parameters are found by one look into a table (the
-- way of every webhook) and win over paths with; among those the first that fits wins. HEAD is answered as GET without
-- its body. A path that is not there is tried again without its trailing slash.
local router = {}

--- Percent-decodes one segment; nil where an escape is broken or hides a NUL.
local function unescape(segment)
  local broken = segment:gsub("%%%x%x", ""):find("%", 1, true) or segment:find("%00", 1, true)
  if broken then
    return nil
  end
  return (segment:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

--- "/messages/:id/*" becomes the Lua pattern "^/messages/([^/]+)/(.*)$" and the names { "id", "rest" }.
local function compile(path)
  local names = {}
  local pattern = path:gsub("[%-%.%+%[%]%(%)%$%^%%%?]", "%%%0"):gsub(":([%w_]+)", function(name)
    names[#names + 1] = name
    return "([^/]+)"
  end)
  if pattern:sub(-1) == "*" then
    names[#names + 1] = "rest"
    pattern = pattern:sub(1, -2) .. "(.*)"
  end
  return "^" .. pattern .. "$", names
end

--- Rows of one path are gathered into one entry that knows its methods.
local function gather(routes)
  local entries, exact, patterned = {}, {}, {}
  for _, row in ipairs(routes) do
    local method, path, handler = row[1], row[2], row[3]
    local entry = entries[path]
    if not entry then
      entry = { methods = {} }
      entries[path] = entry
      if path:find "[:*]" then
        entry.pattern, entry.names = compile(path)
        patterned[#patterned + 1] = entry
      else
        exact[path] = entry
      end
    end
    assert(not entry.methods[method], ("route %s %s stands twice"):format(method, path))
    entry.methods[method] = assert(handler, ("route %s %s has no handler"):format(method, path))
  end
  return exact, patterned
end

--- Parameters of a path, or nil where it does not fit.
local function parameters_of(path, entry)
  local found = { path:match(entry.pattern) }
  if not found[1] then
    return nil
  end
  local parameters = {}
  for index, name in ipairs(entry.names) do
    parameters[name] = name == "rest" and found[index] or unescape(found[index])
    if not parameters[name] then
      return nil
    end
  end
  return parameters
end

local function find(exact, patterned, path)
  if exact[path] then
    return exact[path]
  end
  for _, entry in ipairs(patterned) do
    local parameters = parameters_of(path, entry)
    if parameters then
      return entry, parameters
    end
  end
end

--- "GET, HEAD, POST", as the Allow header has it.
local function allowed(methods)
  local names = {}
  for name in pairs(methods) do
    names[#names + 1] = name
  end
  if methods.GET and not methods.HEAD then
    names[#names + 1] = "HEAD"
  end
  table.sort(names)
  return table.concat(names, ", ")
end

--- Makes dispatch(request): what the handler returns, or nil, "not_found", or nil, "method_not_allowed", "GET, HEAD".
---@param routes table[] rows { method, path, handler }
---@return fun(request: host.Request): table?, string?, string?
function router.new(routes)
  local exact, patterned = gather(routes)
  return function(request)
    local path = request.path
    local entry, parameters = find(exact, patterned, path)
    if not entry and path:sub(-1) == "/" then
      entry, parameters = find(exact, patterned, path:sub(1, -2))
    end
    if not entry then
      return nil, "not_found"
    end
    local handler = entry.methods[request.method]
    if handler then
      return handler(request, parameters)
    end
    if request.method == "HEAD" and entry.methods.GET then
      local answer = entry.methods.GET(request, parameters)
      return { status = answer.status, headers = answer.headers, body = "" }
    end
    return nil, "method_not_allowed", allowed(entry.methods)
  end
end

return router
