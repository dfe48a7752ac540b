-- How commands show values to people.
local show = {}

--- A value on one line.
---@param value any
---@return string
function show.value(value)
  if type(value) == "string" then
    return '"' .. value:gsub("[%c\\]", function(c)
      return c == "\n" and "\\n" or c == "\\" and "\\" or ("\\x%02x"):format(c:byte())
    end) .. '"'
  elseif value == nil then
    return "(none)"
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  local parts = {}
  for i, item in ipairs(value) do
    parts[i] = show.value(item)
  end
  for _, key in ipairs(show.keys(value)) do
    parts[#parts + 1] = key .. " = " .. show.value(value[key])
  end
  return #parts == 0 and "{}" or "{ " .. table.concat(parts, ", ") .. " }"
end

--- Its keys that are texts, sorted.
---@param value table
---@return string[]
function show.keys(value)
  local keys = {}
  for key in pairs(value) do
    keys[#keys + 1] = type(key) == "string" and key or nil
  end
  table.sort(keys)
  return keys
end

--- 1234567 as "1,234,567".
---@param number integer
---@return string
function show.number(number)
  local text = tostring(number)
  local head = #text % 3
  return ((text:sub(1, head) .. text:sub(head + 1):gsub("%d%d%d", ",%0")):gsub("^,", ""))
end

--- "3 messages", "1 message".
---@param number integer
---@param noun string
---@return string
function show.count(number, noun)
  return show.number(number) .. " " .. noun .. (number == 1 and "" or "s")
end

function show.line(text, ...)
  io.stdout:write(select("#", ...) > 0 and text:format(...) or text, "\n")
end

--- The lines of a file around an error (host.dryrun), each behind `indent`.
---@param file file*
---@param indent string
---@param excerpt? string
function show.excerpt(file, indent, excerpt)
  for line in (excerpt or ""):gmatch "[^\n]+" do
    file:write(indent, line, "\n")
  end
end

--- "bascule rules run: text" on standard error; returns the status.
---@param command string
---@param status integer
---@param text string
---@return integer
function show.fail(command, status, text, ...)
  io.stderr:write("bascule rules ", command, ": ", text:format(...), "\n")
  return status
end

return show
