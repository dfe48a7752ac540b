-- GHL's OpenAPI files as a judge of requests and answers (openapi_data.lua, made of the files by scripts/openapi), with
-- the deviations that deviations.lua lists.
local data = require "simulator.openapi_data"
local deviations = require "simulator.deviations"
local http = require "host.http"
local json = require "host.json"
local schema = require "simulator.schema"

local openapi = {}

local form_type, json_type = "application/x-www-form-urlencoded", "application/json"

---@class simulator.Operation
---@field method string
---@field path string as in the files: "/contacts/{contactId}"
---@field security? {kind:string, scopes:string[]}
---@field parameters {query:table, header:table, path:table}
---@field body? table<string, table> media type to schema
---@field answers table<string, table<string, table>> status to media type to schema

local function without(list, unwanted)
  local out = {}
  for _, entry in ipairs(list) do
    if entry ~= unwanted then
      out[#out + 1] = entry
    end
  end
  return out
end

local function deviate_schema(row)
  local target = assert(data.schemas[row.schema], row.schema)
  assert(target.properties[row.field], row.schema .. " has no field " .. row.field)
  if row.is then
    target.properties[row.field] = row.is
  end
  if row.optional then
    local required = without(target.required, row.field)
    assert(#required < #target.required, row.schema .. ": " .. row.field .. " is optional already")
    target.required = required
  end
end

local function deviate()
  for _, row in ipairs(deviations.schemas) do
    deviate_schema(row)
  end
  for _, row in ipairs(deviations.bodies) do
    local body = data.operations[row.operation].body
    assert(not body[row.media_type], row.operation .. " takes " .. row.media_type .. " already")
    body[row.media_type] = select(2, next(body))
  end
  for _, row in ipairs(deviations.answers) do
    local answers = data.operations[row.operation].answers
    assert(not (answers[row.status] and answers[row.status][json_type]), row.operation .. " has that answer already")
    answers[row.status] = { [json_type] = row.is }
  end
end

deviate()

local undocumented = {}
for _, row in ipairs(deviations.statuses) do
  undocumented[row.status] = true
end

--- "PUT /conversations/messages/{messageId}/status"
---@param name string
---@return simulator.Operation
function openapi.operation(name)
  return assert(data.operations[name], name .. " is not among the operations")
end

local function append(faults, more)
  for _, fault in ipairs(more) do
    faults[#faults + 1] = fault
  end
end

--- Parameters of one place ("query", "path") against their texts.
local function parameter_faults(declared, given, faults)
  for name, parameter in pairs(declared) do
    local text = given[name]
    if text == nil then
      if parameter.required then
        faults[#faults + 1] = name .. ": is missing"
      end
    else
      append(faults, schema.faults(data.schemas, parameter.schema, text, { text = true }, name))
    end
  end
  for name in pairs(given) do
    if deviations.strict and not declared[name] then
      faults[#faults + 1] = name .. ": should not exist"
    end
  end
end

local function media_type_of(request)
  local value = request:header "content-type" or ""
  return value:match "^%s*([^;%s]*)":lower()
end

local function decode(media_type, text)
  if media_type == form_type then
    return http.parse_form(text)
  end
  return json.decode(text)
end

local function names_of(map)
  local names = {}
  for name in pairs(map) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, " or ")
end

--- The decoded body, or nothing and the faults.
local function check_body(operation, request, faults)
  local media_type = media_type_of(request)
  local rule = operation.body[media_type]
  if not rule then
    faults[#faults + 1] = "content-type: must be " .. names_of(operation.body)
    return nil
  end
  local body, reason = decode(media_type, request.body)
  if body == nil then
    faults[#faults + 1] = "body: " .. tostring(reason)
    return nil
  end
  local options = { strict = deviations.strict, text = media_type == form_type }
  append(faults, schema.faults(data.schemas, rule, body, options))
  return body
end

--- Checks a request but for its Version header. Returns its query and body, decoded, or nil and the faults.
---@param operation simulator.Operation
---@param request host.Request
---@param path_parameters table<string,string>
---@return {query: table<string,string>, body: table?}?
---@return string[]? faults
function openapi.check_request(operation, request, path_parameters)
  local faults = {}
  local query, reason = http.parse_form(request.query)
  if not query then
    return nil, { "query: " .. reason }
  end
  parameter_faults(operation.parameters.query, query, faults)
  parameter_faults(operation.parameters.path, path_parameters, faults)
  local body = operation.body and check_body(operation, request, faults) or nil
  if #faults > 0 then
    table.sort(faults)
    return nil, faults
  end
  return { query = query, body = body }
end

--- What is wrong with the Version header; nil where it is as the operation wants it, or needs none.
---@param operation simulator.Operation
---@param request host.Request
---@return string?
function openapi.version_fault(operation, request)
  local declared = operation.parameters.header.Version
  if not declared then
    return nil
  end
  local version = request:header "version"
  if not version then
    return "version header was not found."
  end
  if schema.faults(data.schemas, declared.schema, version)[1] then
    return "version header is invalid; use " .. table.concat(declared.schema.enum, " or ")
  end
end

--- The faults of an answer of the simulator's own.
---@param operation simulator.Operation
---@param status integer
---@param body any as it will be encoded
---@return string[]
function openapi.answer_faults(operation, status, body)
  local documented = operation.answers[tostring(status)]
  if documented then
    local rule = documented[json_type]
    return rule and schema.faults(data.schemas, rule, body) or {}
  end
  if undocumented[status] then
    return schema.faults(data.schemas, deviations.error_body, body)
  end
  return { ("status: %d is no answer of %s %s"):format(status, operation.method, operation.path) }
end

return openapi
