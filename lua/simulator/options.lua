-- The options of `bascule simulate`, as the host passes them on: text, checked and typed here.
local config = require "host.config"
local crypto = require "host.crypto"
local suggest = require "bascule.suggest"

-- Name, default, meaning. The default's type is the option's; README.md of this folder is the manual.
local declared = {
  { "port", 8090, "where it listens on 127.0.0.1 (the host's business); 0 picks a free port" },
  { "bascule", "http://127.0.0.1:8080", "Bascule's URL: where webhooks go" },
  { "seed", "", "64 hex digits, of which the key that signs webhooks is made; default: random" },
  { "client-id", "simulatedapp-bascule", "the marketplace app's client id" },
  { "client-secret", "simulated-secret", "its secret" },
  { "company", "SIMULATEDCOMPANY0001", "the agency" },
  { "location", "SIMULATEDLOCATION001", "its locations, comma separated" },
  { "provider", "", "the conversation provider; another one on an inbound message is refused. Default: any is taken" },
  { "auto-approve", false, "the authorize page asks nobody and takes the first location" },
  { "expires-in", 86399, "life of an access token, seconds" },
  { "early-403-ms", 0, "how long after its webhook GHL does not know a message's provider yet" },
  { "rate-limit", 100, "GHL requests in 10 s for each location or company; 0: no limit" },
  { "cast-key", "", "API keys that Cast takes, comma separated; default: any" },
  { "cast-delay-ms", 3000, "from a send until its receipt" },
  { "cast-rate-limit", 0, "messages a second for each API key (Cast's default is 10); 0: no limit" },
  { "cast-credits", 1000000, "parts that the account can pay" },
}

local switches = { on = true, ["true"] = true, yes = true, off = false, ["false"] = false, no = false }

local function read(name, default, text)
  if text == nil then
    return default
  end
  local value = tostring(text)
  if type(default) == "boolean" then
    value = switches[value]
  elseif type(default) == "number" then
    value = math.tointeger(tonumber(value))
  end
  if value == nil or (type(value) == "number" and value < 0) then
    error(("--%s: '%s' is no %s"):format(name, text, type(default) == "boolean" and "switch" or "number"), 0)
  end
  return value
end

local function split(text)
  local list = {}
  for entry in text:gmatch "[^,%s]+" do
    list[#list + 1] = entry
  end
  return list
end

local function seed_of(text)
  if text == "" then
    return (crypto.sha256(crypto.token(32)):gsub("%x%x", function(hex) return string.char(tonumber(hex, 16)) end))
  end
  if not text:match("^" .. ("%x"):rep(64) .. "$") then
    error("--seed: must be 64 hex digits", 0)
  end
  return (text:gsub("%x%x", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function check_names(arguments)
  local names, known = {}, {}
  for index, row in ipairs(declared) do
    names[index], known[row[1]] = row[1], true
  end
  for name in pairs(arguments) do
    if not known[name] then
      error(("--%s: no such option%s"):format(name, suggest.hint(name, names)), 0)
    end
  end
end

---@class simulator.Options
---@field bascule string
---@field seed string 32 bytes
---@field client_id string
---@field app_id string the part of the client id before the first "-"
---@field client_secret string
---@field company string
---@field locations string[]
---@field provider string
---@field auto_approve boolean
---@field expires_in integer
---@field early_403_ms integer
---@field rate_limit integer
---@field cast_keys string[]
---@field cast_delay_ms integer
---@field cast_rate_limit integer
---@field cast_credits integer

local arguments = config.arguments()
check_names(arguments)
local options = {}
for _, row in ipairs(declared) do
  local name, default = row[1], row[2]
  options[name:gsub("%-", "_")] = read(name, default, arguments[name])
end
options.seed = seed_of(options.seed)
options.app_id = options.client_id:match "^[^-]*"
options.locations = split(options.location)
options.cast_keys = split(options.cast_key)
options.bascule = options.bascule:gsub("/+$", "")
if not options.locations[1] then
  error("--location: at least one is needed", 0)
end

return options
