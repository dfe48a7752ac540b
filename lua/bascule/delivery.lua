-- What the queue's workers call: send a message, ask for its receipt, tell GHL its status. The contract is
-- lua/meta/delivery.lua.
--
-- An attempt whose outcome is unknown is repeated as it was: same provider, same content, same idempotency key, and the
-- rule is not asked again, for the provider may answer from its memory of the first. Every other attempt runs the rule
-- afresh, so that quiet hours hold and a mended rule helps what waits.
--
-- Attachments go as links at the end of the text to a provider that has no MMS (`driver.mms` is not set).
local config = require "host.config"
local crypto = require "host.crypto"
local gate = require "host.gate"
local http = require "host.http"
local json = require "host.json"
local log = require "host.log"
local metrics = require "host.metrics"
local rules = require "host.rules"
local store = require "host.store"
local time = require "host.time"

local client = require "bascule.ghl.client"
local failure = require "bascule.failure"
local location_settings = require "bascule.settings"
local messages = require "bascule.messages"
local providers = require "bascule.providers"

local delivery = {}

local busy_ms <const> = 1000
local longest_key <const> = 255 -- of an idempotency key (Cast.ph)

-- ---- the rule

local function context_of(message, settings)
  return {
    now = time.now_ms(),
    location = message.location,
    company = message.company,
    settings = location_settings.public(settings),
  }
end

local function rejected(reason, code, event)
  return { outcome = "rejected", reason = reason, code = code, attempted = false, event = event }
end

-- What a rule says when it fails may hold the message's text: that stands in the timeline only.
local function rule_failed(message, why, name)
  log.warn("rule failed; see the message's reason", { location = message.location, code = name })
  metrics.add("bascule_rule_failures_total", "code=" .. name:lower())
  return rejected(failure.words(why, name), "rule_error")
end

---@return host.rules.Decision? decision, bascule.Outcome? outcome
local function decide(message, settings)
  local payload, why, name = json.decode(message.payload)
  if name then
    return nil, rejected("the payload is not readable: " .. failure.words(why, name), "bad_payload")
  end
  local context = context_of(message, settings)
  local decision
  decision, why, name = rules.outbound(message.location, message.company, messages.outbound(payload), context)
  if name == "UNAVAILABLE" then
    return nil, { outcome = "busy", wait_ms = busy_ms, reason = "the rules are not to be reached" }
  elseif not decision then
    return nil, rule_failed(message, why, name)
  end
  local event = { agency = decision.agency, generation = decision.generation }
  if decision.action == "reject" then
    return nil, rejected(decision.reason, "rejected_by_rule", event)
  elseif decision.action == "defer" then
    local deferred = { outcome = "deferred", until_ms = decision.until_ms, reason = decision.reason, event = event }
    return nil, deferred
  end
  return decision
end

-- ---- an attempt

---@class bascule.Attempt
---@field driver bascule.Provider
---@field prepared table
---@field gate string
---@field event? table what the rule decided

local function paused(wait_ms)
  return { outcome = "busy", wait_ms = wait_ms, reason = "the provider is paused" }
end

local function with_links(body, attachments)
  local lines = { body ~= "" and body or nil }
  table.move(attachments, 1, #attachments, #lines + 1, lines)
  return table.concat(lines, "\n")
end

local function content_of(driver, message)
  if driver.mms or not message.attachments or #message.attachments == 0 then
    return message
  end
  local copy = {}
  for name, value in pairs(message) do
    copy[name] = value
  end
  copy.body = with_links(message.body or "", message.attachments)
  return copy
end

-- The providers in the order in which this attempt tries them: each further attempt begins with the next one.
local function candidates(decision, attempts)
  local names = decision.providers or { decision.message.provider or providers.default }
  local drivers = {}
  for offset = 0, #names - 1 do
    local driver, reason = providers.get(names[(attempts + offset) % #names + 1])
    if not driver then
      return nil, reason
    end
    drivers[#drivers + 1] = driver
  end
  return drivers
end

-- The first provider that takes the message and whose gate is open; else the shortest wait; else the last refusal.
---@return bascule.Attempt? attempt, bascule.Outcome? outcome
local function choose(drivers, message, settings)
  local shortest, refusal
  for _, driver in ipairs(drivers) do
    local prepared, refused = driver.prepare(content_of(driver, message), settings)
    if prepared then
      local key = driver.destination(settings)
      local open, wait_ms = gate.enter(key)
      if open then
        return { driver = driver, prepared = prepared, gate = key }
      end
      shortest = math.min(shortest or wait_ms, wait_ms)
    else
      refusal = refused
      refusal.attempted = false
    end
  end
  return nil, shortest and paused(shortest) or refusal
end

---@return bascule.Attempt? attempt, bascule.Outcome? outcome
local function new_attempt(message, settings)
  local decision, outcome = decide(message, settings)
  if not decision then
    return nil, outcome
  end
  local event = { agency = decision.agency, generation = decision.generation }
  local drivers, reason = candidates(decision, message.attempts)
  if not drivers then
    return nil, rejected(reason, "unknown_provider", event)
  end
  local attempt
  attempt, outcome = choose(drivers, decision.message, settings)
  if attempt then
    event.provider = attempt.driver.name
    attempt.event = event
  elseif outcome.outcome == "refused" then
    outcome.event = event
  end
  return attempt, outcome
end

local function not_again(message)
  return {
    outcome = "refused",
    kind = "permanent",
    code = "outcome_unknown",
    reason = "nobody knows whether it was sent, and " .. message.provider .. " would send it twice",
    attempted = false,
  }
end

---@return bascule.Attempt? attempt, bascule.Outcome? outcome
local function same_attempt(message, settings)
  local driver, reason = providers.get(message.provider)
  if not driver then
    return nil, rejected(reason, "unknown_provider")
  end
  -- Without an idempotency key another send may be a second one, which the operator may not want; a replay (attempts
  -- begin anew with it) is wanted.
  if not driver.idempotent and message.attempts > 0 and config.get "BASCULE_UNKNOWN_OUTCOME" == "fail" then
    return nil, not_again(message)
  end
  local key = driver.destination(settings)
  local open, wait_ms = gate.enter(key)
  if not open then
    return nil, paused(wait_ms)
  end
  return { driver = driver, prepared = message.sent, gate = key }
end

local function idempotency_key(message)
  local key = message.location .. ":" .. message.external_id
  if message.epoch > 0 then
    key = key .. ":r" .. message.epoch
  end
  if #key > longest_key or key:find "[^\x21-\x7e]" then
    return crypto.sha256(key)
  end
  return key
end

-- What the outcome says about the provider, for its gate.
local function leave(key, outcome)
  if outcome.outcome == "unknown" or outcome.kind == "retryable" then
    gate.leave(key, "failed")
  elseif outcome.kind == "rate_limited" then
    gate.leave(key, "paused", outcome.retry_after_ms or busy_ms)
  else
    gate.leave(key, "answered")
  end
end

-- A driver that fails by an error of its own may have sent the message before.
local function call_driver(attempt, settings, key)
  local ok, outcome = pcall(attempt.driver.send, attempt.prepared, settings, key)
  if ok then
    return outcome
  end
  log.error("provider driver failed", { provider = attempt.driver.name, reason = tostring(outcome) })
  local reason = "the driver of " .. attempt.driver.name .. " failed; see the log"
  return { outcome = "unknown", reason = reason, code = "DRIVER_FAILED", idempotent = attempt.driver.idempotent }
end

local function make(message, attempt, settings)
  local ok, why, name = store.attempt_begin {
    id = message.id,
    lease = message.lease,
    provider = attempt.driver.name,
    sent = attempt.prepared,
    event = attempt.event,
  }
  if not ok then
    gate.leave(attempt.gate, "paused", 0)
    if name == "CONFLICT" then
      return nil
    end
    return { outcome = "busy", wait_ms = busy_ms, reason = failure.words(why, name) }
  end
  local outcome = call_driver(attempt, settings, idempotency_key(message))
  leave(attempt.gate, outcome)
  outcome.provider = attempt.driver.name
  return outcome
end

---@param message bascule.Message
---@return bascule.Outcome?
function delivery.send(message)
  local settings, reason = location_settings.of(message.location)
  if not settings then
    return { outcome = "busy", wait_ms = busy_ms, reason = reason }
  end
  local again = message.outcome_unknown and message.sent and message.provider
  local attempt, outcome = (again and same_attempt or new_attempt)(message, settings)
  if not attempt then
    return outcome
  end
  return make(message, attempt, settings)
end

-- ---- receipt

---@param message bascule.Message
---@return bascule.Receipt
function delivery.receipt(message)
  local driver, reason = providers.get(message.provider)
  if not driver or not driver.receipts then
    return { receipt = "unavailable", reason = reason or "the provider has no receipts" }
  end
  local settings
  settings, reason = location_settings.of(message.location)
  if not settings then
    return { receipt = "unavailable", reason = reason, wait_ms = busy_ms }
  end
  -- A gate of its own: that receipts cannot be had is no reason not to send.
  local key = driver.destination(settings) .. ":receipts"
  local open, wait_ms = gate.enter(key)
  if not open then
    return { receipt = "unavailable", reason = "the provider is paused", wait_ms = wait_ms }
  end
  local receipt = driver.receipt(message, settings)
  if receipt.receipt ~= "unavailable" then
    gate.leave(key, "answered")
  elseif receipt.wait_ms then
    gate.leave(key, "paused", receipt.wait_ms)
  else
    gate.leave(key, "failed")
  end
  return receipt
end

-- ---- report

local early_first_ms <const> = 2000
local early_most_ms <const> = 30000
local no_token_ms <const> = 60 * 1000

local function retry(fault, retry_after_ms, uncounted)
  return { outcome = "retry", reason = fault.reason, retry_after_ms = retry_after_ms, uncounted = uncounted }
end

local function early_wait(attempts)
  return math.min(early_most_ms, early_first_ms << math.min(attempts, 10))
end

-- The queue bounds the tries, and by the message's age also those that do not count.
local function report_outcome(message, fault)
  local name = fault.name
  if name == "REMOVED" then
    return { outcome = "given_up", reason = fault.reason }
  elseif name == "NOT_CONNECTED" or name == "INVALID" then
    return retry(fault, no_token_ms, true)
  elseif name == "CLOSED" then
    return retry(fault, fault.retry_after_ms or early_most_ms, true)
  elseif name == "EARLY" then
    return retry(fault, early_wait(message.report_attempts))
  elseif name == "RETRYABLE" or fault.status == 401 or fault.status == 403 then
    return retry(fault, fault.retry_after_ms)
  end
  return { outcome = "given_up", reason = fault.reason }
end

---@param message bascule.Message
---@return bascule.Report
function delivery.report(message)
  local answer, fault = client.request {
    method = "PUT",
    path = "/conversations/messages/" .. http.escape(message.external_id) .. "/status",
    location = message.location,
    company = message.company,
    body = {
      status = message.report_status,
      error = message.report_status == "failed" and message.report_error or nil,
    },
  }
  local event = { status = message.report_status, trace_id = answer and answer.trace_id or fault and fault.trace_id }
  local report = answer and { outcome = "reported" } or report_outcome(message, fault)
  event.answer = answer and answer.status or fault.status
  report.event = event
  return report
end

return delivery
