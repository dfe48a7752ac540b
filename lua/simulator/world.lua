-- What the simulated GHL and Cast remember. There is one HTTP loop, so these tables are seen by every request; they end
-- with the process.
local crypto = require "host.crypto"
local options = require "simulator.options"
local time = require "host.time"

local world = {
  installed = {}, -- location id, or "" for the company -> {at_ms, scopes}
  contacts = {}, -- id -> contact
  conversations = {}, -- id -> conversation
  messages = {}, -- GHL's message id -> {location, contact, conversation, at_ms}
}

--- An empty ledger: what tests and people read at GET /simulate/state.
local function new_ledger()
  return {
    sends = {}, -- accepted by Cast, in their order
    statuses = {}, -- GHL's message id -> what GHL was told, in its order
    inbound = {}, -- messages that were posted into conversations
    webhooks = {}, -- what was fired at Bascule, and its answers
    tokens = {
      exchanges = 0, refreshes = 0, invalid_grants = 0, location_tokens = 0, reconnects = 0,
      issued = {}, -- every token that was given out: to prove that none leaks
    },
    ghl = { requests = 0, unauthorized = 0, rate_limited = 0, invalid = 0, early_403 = 0, failed = 0 },
    cast = { requests = 0, status_requests = 0, refused = 0, replays = 0, dropped = 0 },
    own_faults = {}, -- answers of the simulator that GHL's files do not allow: must stay empty
  }
end

world.ledger = new_ledger()

function world.clear_ledger()
  world.ledger = new_ledger()
end

--- Adds one to a counter of the ledger.
---@param side "ghl"|"cast"|"tokens"
---@param name string
function world.count(side, name)
  world.ledger[side][name] = world.ledger[side][name] + 1
end

--- 20 letters and digits, as GHL's ids are.
---@return string
function world.new_id()
  local id = ""
  while #id < 20 do
    id = id .. crypto.token(24):gsub("[-_]", "")
  end
  return id:sub(1, 20)
end

--- The wall clock as GHL writes it.
---@return string
function world.now_iso()
  return time.iso(time.now_ms())
end

---@param location string
---@return boolean
function world.has_location(location)
  for _, id in ipairs(options.locations) do
    if id == location then
      return true
    end
  end
  return false
end

return world
