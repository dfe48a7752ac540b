-- Checks a value against a schema of OpenAPI 3.0, as far as GHL's files use it: type, nullable, enum, format,
-- maxLength, properties, required, items, allOf, anyOf, oneOf and references.
--
-- A fault is a line for a person that begins with the path of the value: "error.code: must be a string".
local json = require "host.json"

local schema = {}

local array_mark = getmetatable(json.array {})

local function is_array(value)
  return type(value) == "table" and (getmetatable(value) == array_mark or #value > 0)
end

local is_of_type = {
  string = function(value) return type(value) == "string" end,
  number = function(value) return type(value) == "number" end,
  integer = function(value) return math.type(value) == "integer" end,
  boolean = function(value) return type(value) == "boolean" end,
  array = is_array,
  object = function(value) return type(value) == "table" and not is_array(value) end,
  any = function() return true end,
}

-- What the text of a query or a form must look like to be taken as a type.
local reads_as = {
  string = function() return true end,
  number = function(text) return tonumber(text) ~= nil end,
  integer = function(text) return math.tointeger(tonumber(text)) ~= nil end,
  boolean = function(text) return text == "true" or text == "false" end,
  array = function() return true end, -- one text is a list of one
  object = function() return false end,
  any = function() return true end,
}

local formats = {
  ["date-time"] = function(value) return value:match "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d" ~= nil end,
}

local article = { array = "an array", integer = "an integer", object = "an object" }

local function contains(list, value)
  for _, entry in ipairs(list) do
    if entry == value then
      return true
    end
  end
  return false
end

local Check = {}
Check.__index = Check

function Check:fault(path, text)
  self.faults[#self.faults + 1] = (path == "" and "body" or path) .. ": " .. text
end

function Check:resolve(rule)
  while rule.ref do
    rule = assert(self.schemas[rule.ref], rule.ref)
  end
  return rule
end

--- Whether the value fits; its faults are not kept.
function Check:fits(rule, value, path)
  local trial = setmetatable({ schemas = self.schemas, strict = self.strict, text = self.text, faults = {} }, Check)
  trial:value(rule, value, path)
  return #trial.faults == 0
end

--- Adds the names of the properties that an object may have to `known`.
function Check:gather_properties(rule, known)
  rule = self:resolve(rule)
  for name in pairs(rule.properties or {}) do
    known[name] = true
  end
  for _, keyword in ipairs { "allOf", "anyOf", "oneOf" } do
    for _, part in ipairs(rule[keyword] or {}) do
      self:gather_properties(part, known)
    end
  end
end

function Check:unknown_properties(rule, value, path)
  local known = {}
  self:gather_properties(rule, known)
  if not next(known) then return end -- an object of any shape
  for name in pairs(value) do
    if not known[name] then
      self:fault(path .. name, "should not exist")
    end
  end
end

function Check:object(rule, value, path)
  local prefix = path == "" and "" or path .. "."
  for _, name in ipairs(rule.required or {}) do
    if value[name] == nil then
      self:fault(prefix .. name, "is missing")
    end
  end
  for name, property in pairs(rule.properties or {}) do
    if value[name] ~= nil then
      self:value(property, value[name], prefix .. name)
    end
  end
end

function Check:alternatives(rule, value, path)
  for _, part in ipairs(rule.allOf or {}) do
    self:value(part, value, path, true)
  end
  for keyword, most in pairs { anyOf = math.huge, oneOf = 1 } do
    local fitting = 0
    for _, part in ipairs(rule[keyword] or {}) do
      if self:fits(part, value, path) then
        fitting = fitting + 1
      end
    end
    if rule[keyword] and (fitting == 0 or fitting > most) then
      self:fault(path, ("fits %d of its %d %s schemas"):format(fitting, #rule[keyword], keyword))
    end
  end
end

function Check:plain(rule, value, path)
  if rule.enum and not contains(rule.enum, value) then
    self:fault(path, "must be one of: " .. table.concat(rule.enum, ", "))
  end
  if type(value) ~= "string" then
    return
  end
  if rule.maxLength and utf8.len(value) > rule.maxLength then
    self:fault(path, ("must be no longer than %d characters"):format(rule.maxLength))
  end
  local format = formats[rule.format]
  if format and not format(value) then
    self:fault(path, "must be a " .. rule.format)
  end
end

--- `part`: the value is one part of an allOf, whose other parts may know properties that this one does not.
function Check:value(rule, value, path, part)
  rule = self:resolve(rule)
  if value == json.null then
    if not rule.nullable then
      self:fault(path, "must not be null")
    end
    return
  end
  local kind = rule.type
  local types = self.text and type(value) == "string" and reads_as or is_of_type
  if kind and not types[kind](value) then
    return self:fault(path, "must be " .. (article[kind] or "a " .. kind))
  end
  self:plain(rule, value, path)
  self:alternatives(rule, value, path)
  if type(value) ~= "table" then
    return
  end
  if is_array(value) then
    for index, entry in ipairs(value) do
      if rule.items then
        self:value(rule.items, entry, ("%s[%d]"):format(path, index - 1))
      end
    end
    return
  end
  self:object(rule, value, path)
  if self.strict and not part then
    self:unknown_properties(rule, value, path == "" and "" or path .. ".")
  end
end

--- Checks a decoded JSON value. Returns the faults, sorted; none where it is valid.
---@param schemas table<string, table> what references name
---@param rule table
---@param value any
---@param options {strict?: boolean, text?: boolean}? strict: a property that the schema does not name is a fault;
---  text: strings in it are the texts of a query or a form, which may stand for numbers
---@param path string? of the value, for its faults
---@return string[]
function schema.faults(schemas, rule, value, options, path)
  options = options or {}
  local check = setmetatable({ schemas = schemas, strict = options.strict, text = options.text, faults = {} }, Check)
  check:value(rule, value, path or "")
  table.sort(check.faults)
  return check.faults
end

return schema
