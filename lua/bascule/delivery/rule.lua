-- Asks the rules about a message on its way to the provider, and about a status on its way to GHL: gathers what they
-- declared to need (memory, the contact), and holds their answer to the road's limits, so that whatever it is, it ends
-- with a reason.
local config = require "host.config"
local json = require "host.json"
local log = require "host.log"
local metrics = require "host.metrics"
local rules = require "host.rules"
local time = require "host.time"

local contacts = require "bascule.ghl.contacts"
local failure = require "bascule.failure"
local location_settings = require "bascule.settings"
local memory = require "bascule.memory"
local messages = require "bascule.messages"

local rule = {}

local busy_ms <const> = 1000
local no_contact_ms <const> = 5000 -- where GHL names no time
local no_token_ms <const> = 60 * 1000 -- somebody must connect first
local reason_bytes <const> = 1000 -- of a rule's reason, as the timeline and GHL have it
local day_ms <const> = 24 * 60 * 60 * 1000

-- File and line are for whoever writes the rules: they stand in the message's reason.
local told <const> = "The agency's rules failed for this message."

local sent_texts <const> = { "to", "body", "sender", "provider", "reference" }

-- ---- outcomes

function rule.rejected(reason, code, event)
  return { outcome = "rejected", reason = reason, code = code, attempted = false, event = event }
end

function rule.busy(reason, wait_ms)
  return { outcome = "busy", wait_ms = wait_ms or busy_ms, reason = reason }
end

--- Of a reason that rules may have made as long as they like, what the timeline and GHL are told.
---@param text? string
---@return string?
function rule.clip(text)
  if type(text) ~= "string" or #text <= reason_bytes then
    return text
  end
  return text:sub(1, utf8.offset(text, 0, reason_bytes + 1) - 1) .. "..."
end

-- What a rule says when it fails may hold the message's text: that stands in the timeline only.
local function note_failure(message, name)
  log.warn("rule failed; see the message's reason", { location = message.location, code = name })
  metrics.add("bascule_rule_failures_total", "code=" .. name:lower())
end

local function failed(message, reason, name, event)
  note_failure(message, name)
  local outcome = rule.rejected(rule.clip(reason), "rule_error", event)
  outcome.told = told
  return outcome
end

-- What rules did, for the timeline. Names that settlements write themselves (reason, generation) are theirs.
local function event_of(decision)
  return {
    agency = decision.agency,
    generation = decision.generation,
    version = decision.version,
    action = decision.action,
    reason = rule.clip(decision.reason),
    of = decision.parts and #decision.parts or nil,
    log = decision.log,
    log_dropped = decision.log_dropped,
    usage = decision.usage,
    shadow = decision.shadow,
    canary = decision.canary,
    canary_error = rule.clip(decision.canary_error),
  }
end

-- ---- what a rule is given

---@class bascule.Asking one question to the rules
---@field message bascule.Message
---@field payload table
---@field needs host.rules.Needs
---@field whose bascule.Whose
---@field context table

local function whose_of(message, payload, agency)
  local given = messages.outbound(payload)
  return { location = message.location, agency = agency, contact = given.contact_id, number = given.to }
end

---@return bascule.Asking? asking, string? error, string? name
local function new_asking(message, payload, settings, needs)
  local whose = whose_of(message, payload, needs.agency)
  local now = time.now_ms()
  local remembered, why, name = memory.read(message.id, needs.memory, whose, now)
  if not remembered then
    return nil, why, name
  end
  local context = {
    now = now,
    location = message.location,
    company = message.company,
    settings = location_settings.public(settings),
    seed = messages.seed(message),
    attempt = message.attempts,
    memory = remembered,
  }
  return { message = message, payload = payload, needs = needs, whose = whose, context = context }
end

local function contact_wait_ms(fault)
  local missing = fault.name == "NOT_CONNECTED" or fault.name == "INVALID" or fault.name == "REMOVED"
  return fault.retry_after_ms or missing and no_token_ms or no_contact_ms
end

---@return table? message, bascule.Outcome? outcome
local function outbound_message(asking)
  local message, given = asking.message, messages.outbound(asking.payload)
  if asking.needs.contact and given.contact_id then
    local contact, fault = contacts.get(message.location, message.company, given.contact_id)
    if fault then
      return nil, rule.busy("the contact could not be read: " .. fault.reason, contact_wait_ms(fault))
    end
    given.contact = contact
  end
  return given
end

-- ---- what a rule answers

local function bytes_of(message)
  local bytes = 0
  for _, name in ipairs(sent_texts) do
    bytes = bytes + #(message[name] or "")
  end
  for _, url in ipairs(message.attachments or {}) do
    bytes = bytes + #url + 1 -- each takes a line
  end
  return bytes
end

-- Of all that is to be sent together, or of a status' error.
local function size_fault(decision)
  local bytes, most = 0, config.get "BASCULE_RULE_MESSAGE_BYTES"
  for _, message in ipairs(decision.parts or { decision.message }) do
    bytes = bytes + bytes_of(message)
  end
  for _, text in pairs(decision.message and decision.message.error or {}) do
    bytes = bytes + #text
  end
  if bytes > most then
    return ("the rules' answer has %d bytes of text and attachments; the limit is %d"):format(bytes, most)
  end
end

local function deferral_fault(decision, now)
  local most = config.get "BASCULE_RULE_DEFER_DAYS"
  if decision.until_ms > now + most * day_ms then
    return ("the rules defer the message by more than %d days"):format(most)
  end
end

local function fault_of(decision, now)
  if decision.action == "defer" then
    return deferral_fault(decision, now)
  end
  return size_fault(decision)
end

---@class bascule.Verdict a decision by which something is to be sent
---@field decision host.rules.Decision
---@field event table
---@field memory? host.store.Effect[]

---@return bascule.Verdict? verdict, bascule.Outcome? outcome
local function verdict_of(asking, decision)
  local event = event_of(decision)
  local fault = fault_of(decision, asking.context.now)
  if fault then
    return nil, failed(asking.message, fault, "RULE", event)
  elseif decision.action == "reject" then
    return nil, rule.rejected(rule.clip(decision.reason), "rejected_by_rule", event)
  elseif decision.action == "defer" then
    local reason = rule.clip(decision.reason)
    return nil, { outcome = "deferred", until_ms = decision.until_ms, reason = reason, event = event }
  end
  local declared, now = asking.needs.memory, asking.context.now
  local ok, effects = pcall(memory.effects, decision.memory, declared, asking.whose, now)
  if not ok then
    return nil, failed(asking.message, tostring(effects), "RULE", event)
  end
  return { decision = decision, event = event, memory = effects }
end

--- Asks about a message. Without a verdict nothing is to be sent now, and the outcome says why.
---@param message bascule.Message
---@param settings table<string,string>
---@return bascule.Verdict? verdict, bascule.Outcome? outcome
function rule.outbound(message, settings)
  local payload, why, name = json.decode(message.payload)
  if name then
    return nil, rule.rejected("the payload is not readable: " .. failure.words(why, name), "bad_payload")
  end
  local asking, given, outcome, decision
  local needs = rules.needs(message.location, message.company)
  asking, why, name = new_asking(message, payload, settings, needs)
  if not asking then
    return nil, rule.busy("the rules' memory could not be read: " .. failure.words(why, name))
  end
  given, outcome = outbound_message(asking)
  if not given then
    return nil, outcome
  end
  decision, why, name = rules.outbound(message.location, message.company, given, asking.context)
  if name == "UNAVAILABLE" then
    return nil, rule.busy "the rules are not to be reached"
  elseif not decision then
    return nil, failed(message, failure.words(why, name), name)
  end
  return verdict_of(asking, decision)
end

--- Whether there is a rule for statuses; most agencies have none, and nothing need be read for it.
---@param message bascule.Message
---@return boolean
function rule.has_report(message)
  return rules.needs(message.location, message.company).report
end

--- Asks about a status that GHL is to hear. A failure is counted and must not hide the status: the caller tells it as
--- it was. UNAVAILABLE: not now, the process is stopping or the store is busy.
---@param message bascule.Message
---@param settings table<string,string>
---@return host.rules.Decision? decision, string reason_or_event, string? name with a decision: its event
function rule.report(message, settings)
  local payload = json.decode(message.payload) or {}
  local needs = rules.needs(message.location, message.company)
  local asking, why, name = new_asking(message, payload, settings, needs)
  if not asking then
    return nil, failure.words(why, name), "UNAVAILABLE"
  end
  local report = messages.report(message, payload)
  local decision
  decision, why, name = rules.report(message.location, message.company, report, asking.context)
  local fault = decision and size_fault(decision)
  if decision and not fault then
    return decision, event_of(decision)
  elseif fault then
    why, name = fault, "RULE"
  end
  if name ~= "UNAVAILABLE" then
    note_failure(message, name)
  end
  return nil, rule.clip(failure.words(why, name)), name
end

return rule
