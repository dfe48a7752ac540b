-- /simulate/*: how tests and people steer the simulator and look into it. README.md of this folder is its manual.
local crypto = require "host.crypto"
local faults = require "simulator.faults"
local http = require "host.http"
local json = require "host.json"
local options = require "simulator.options"
local respond = require "bascule.respond"
local suggest = require "bascule.suggest"
local tokens = require "simulator.ghl.tokens"
local webhooks = require "simulator.webhooks"
local world = require "simulator.world"

local control = {}

local started_at = world.now_iso()

--- The JSON object of a body (an empty one stands for {}), or nil and the answer that refuses it.
local function object_of(request)
  if request.body == "" then
    return {}
  end
  local value, reason = json.decode(request.body)
  if type(value) ~= "table" then
    return nil, respond.error(request, 400, "invalid_json", reason or "the body must be a JSON object")
  end
  return value
end

local function refuse(request, text)
  return respond.error(request, 400, "invalid_request", text)
end

--- The ledger as JSON has it: lists that are empty stay lists. ?lists=off leaves out what can be long.
local function state(request)
  local query = http.parse_form(request.query) or {}
  local ledger, lists = world.ledger, query.lists ~= "off"
  return respond.json(200, {
    started_at = started_at,
    bascule = options.bascule,
    faults = faults.all(),
    ghl = ledger.ghl,
    cast = ledger.cast,
    own_faults = json.array(ledger.own_faults),
    tokens = {
      exchanges = ledger.tokens.exchanges,
      refreshes = ledger.tokens.refreshes,
      invalid_grants = ledger.tokens.invalid_grants,
      location_tokens = ledger.tokens.location_tokens,
      reconnects = ledger.tokens.reconnects,
      issued = lists and json.array(ledger.tokens.issued) or nil,
    },
    sends = lists and json.array(ledger.sends) or nil,
    statuses = lists and ledger.statuses or nil,
    inbound = lists and json.array(ledger.inbound) or nil,
    webhooks = lists and json.array(ledger.webhooks) or nil,
  })
end

local send_names = { "bascule", "count", "fields", "location", "message", "path", "phone", "signature", "type" }

local function check_names(given, names)
  local known = {}
  for _, name in ipairs(names) do
    known[name] = true
  end
  for name in pairs(given) do
    if not known[name] then
      return ("%s: no such field%s"):format(name, suggest.hint(name, names))
    end
  end
end

local function send(request)
  local wanted, refusal = object_of(request)
  if not wanted then
    return refusal
  end
  local fault = check_names(wanted, send_names)
  local count = wanted.count or 1
  if fault or math.type(count) ~= "integer" or count < 1 then
    return refuse(request, fault or "count: must be a whole number of 1 or more")
  end
  local fields = wanted.fields or {}
  fields.type = fields.type or wanted.type
  local sent = json.array {}
  for index = 1, count do
    local text = (wanted.message or "Kumusta! This is message {n}."):gsub("{n}", index)
    local location, phone = wanted.location or options.locations[1], wanted.phone or "+639171234567"
    sent[index] = webhooks.fire(webhooks.outbound_message(location, phone, text, fields), wanted)
  end
  return respond.json(200, { sent = sent })
end

local function set_faults(request)
  local given, refusal = object_of(request)
  if not given then
    return refusal
  end
  -- Revoking is done at once and is no switch.
  local revoke
  if type(given.ghl) == "table" then
    revoke, given.ghl.revoke = given.ghl.revoke, nil
  end
  local fault = faults.set(given)
  if fault then
    return refuse(request, fault)
  end
  if revoke then
    tokens.revoke(nil, revoke == "access")
  end
  return respond.json(200, faults.all())
end

local function clear()
  faults.clear()
  world.clear_ledger()
  return respond.json(200, { cleared = true })
end

local function retarget(request)
  local given, refusal = object_of(request)
  if not given then
    return refusal
  end
  if type(given.bascule) ~= "string" or not given.bascule:match "^https?://" then
    return refuse(request, "bascule: must be a URL")
  end
  options.bascule = given.bascule:gsub("/+$", "")
  return respond.json(200, { bascule = options.bascule })
end

local function uninstall(request)
  local given, refusal = object_of(request)
  if not given then
    return refusal
  end
  for location in pairs(world.installed) do
    if not given.location or given.location == location then
      world.installed[location] = nil
    end
  end
  tokens.revoke(given.location)
  return respond.json(200, webhooks.fire(webhooks.uninstall(given.location), given))
end

local function keys()
  return respond.text(200, crypto.ed25519_public_pem(options.seed), "application/x-pem-file")
end

control.routes = {
  { "GET", "/simulate/state", state },
  { "GET", "/simulate/keys", keys },
  { "POST", "/simulate/send", send },
  { "POST", "/simulate/faults", set_faults },
  { "POST", "/simulate/clear", clear },
  { "POST", "/simulate/target", retarget },
  { "POST", "/simulate/uninstall", uninstall },
}

return control
