-- Texts with fields, filled in from values:
--
--   template.render("Hi {{contact.first_name|there}}, it is {{code}}", { contact = message.contact, code = "123" })
--
-- What follows "|" stands where there is no value, or an empty one. A name that nothing can have is refused, so that a
-- slip of the pen is an error and not "Hi there" for everybody. There is no code in a template, and what is filled in
-- is not looked at for fields again.
---@meta bascule.template
local arguments = require "host.arguments"

local template = {}

local result_most_bytes <const> = 10000

-- The fields of a contact, whether or not this one has them (bascule.Contact).
local contact_fields <const> = " id first_name last_name name email phone company_name city state country timezone dnd "

local function contact_names()
  local names = { custom = true }
  for name in contact_fields:gmatch "%S+" do
    names[name] = true
  end
  return names
end

local function refuse(field, reason)
  error(("template: {{%s}} %s"):format(field, reason), 0)
end

local function check_name(path, name, owner, values)
  if path == "" and values[name] == nil and name ~= "contact" then
    refuse(name, "is no value that was given" .. arguments.hint(name, values))
  elseif path == "contact" and name ~= "custom" and not contact_fields:find(" " .. name .. " ", 1, true) then
    refuse("contact." .. name, "is no field of a contact" .. arguments.hint(name, contact_names()))
  elseif owner ~= nil and type(owner) ~= "table" then
    refuse(path .. "." .. name, "cannot be: " .. path .. " is a " .. type(owner))
  end
end

local function look_up(field, values)
  local value, path = values, ""
  for name in field:gmatch "[^.]+" do
    check_name(path, name, value, values)
    value = value and value[name]
    path = path == "" and name or path .. "." .. name
  end
  if type(value) == "table" or type(value) == "function" then
    refuse(field, "is a " .. type(value) .. ", not a text")
  end
  return value ~= nil and value ~= "" and tostring(value) or nil
end

local function fill(inner, values)
  local field, default = inner:match "^%s*([%w_.]+)%s*|(.*)$"
  field = field or inner:match "^%s*([%w_.]+)%s*$"
  if not field then
    refuse(inner, "is no field such as {{contact.first_name|there}}")
  end
  return look_up(field, values) or default
    or refuse(field, "has no value, and no default such as {{" .. field .. "|there}}")
end

-- Piece by piece; the size is bounded before the pieces become one text.
local function render(text, values)
  local pieces, bytes, position = {}, 0, 1
  local function add(piece)
    pieces[#pieces + 1], bytes = piece, bytes + #piece
    if bytes > result_most_bytes then
      error(("template: the text would be longer than %d bytes"):format(result_most_bytes), 0)
    end
  end
  while true do
    local opens = text:find("{{", position, true)
    add(text:sub(position, (opens or 0) - 1))
    if not opens then
      return table.concat(pieces)
    end
    local closes = text:find("}}", opens, true)
    if not closes then
      error("template: a {{ is never closed by }}", 0)
    end
    add(fill(text:sub(opens + 2, closes - 1), values))
    position = closes + 2
  end
end

--- The template with its fields filled in. Raises where a field is unknown, or has neither value nor default, and where
--- the text would be longer than 10,000 bytes.
---@param text string
---@param values table<string, any> texts, numbers, booleans, and tables of them: { contact = message.contact }
---@return string
function template.render(text, values)
  if type(text) ~= "string" or type(values) ~= "table" then
    error("template.render: it takes a text and a table of values", 2)
  end
  local ok, result = pcall(render, text, values)
  if not ok then
    error(result, 2)
  end
  return result
end

return template
