-- An attempt: which provider takes the message, is its gate open, begin it durably, send.
--
-- An attempt whose outcome is unknown is repeated as it was: same provider, same content, same idempotency key, and the
-- rules are not asked again, for the provider may answer from its memory of the first. So are the parts of a message
-- that were not sent when others were. Every other attempt asks the rules afresh, so that quiet hours hold and a mended
-- rule helps what waits.
--
-- Attachments go as links at the end of the text to a provider that has no MMS (`driver.mms` is not set).
local config = require "host.config"
local crypto = require "host.crypto"
local gate = require "host.gate"
local log = require "host.log"
local store = require "host.store"

local failure = require "bascule.failure"
local parts = require "bascule.delivery.parts"
local providers = require "bascule.providers"
local rule = require "bascule.delivery.rule"

local attempts = {}

local busy_ms <const> = 1000
local longest_key <const> = 255 -- of an idempotency key (Cast.ph)
local longest_name <const> = 64 -- of a provider, where a rule's is told

---@class bascule.Attempt
---@field driver bascule.Provider
---@field prepared table what the driver sends
---@field gate string
---@field progress? bascule.Parts of a message in several parts, of which the next is sent
---@field event? table what the rules decided
---@field memory? host.store.Effect[]

local function paused(wait_ms)
  return rule.busy("the provider is paused", wait_ms)
end

-- ---- content

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

---@return table? prepared, bascule.Outcome? refusal
local function prepare(driver, message, settings)
  local prepared, refusal = driver.prepare(content_of(driver, message), settings)
  if not prepared then
    refusal.attempted, refusal.reason = false, rule.clip(refusal.reason)
  end
  return prepared, refusal
end

-- ---- providers

local function driver_of(name)
  if #name <= longest_name then
    return providers.get(name)
  end
  return nil, ("a provider's name has %d bytes; the longest has %d"):format(#name, longest_name)
end

-- Each name once, in the order in which this attempt tries them: each further attempt begins with the next one.
local function candidates(decision, attempt)
  local drivers, seen = {}, {}
  for _, name in ipairs(decision.providers or { decision.message.provider or providers.default }) do
    local driver, reason = driver_of(name)
    if not driver then
      return nil, reason
    elseif not seen[driver] then
      seen[driver], drivers[#drivers + 1] = true, driver
    end
  end
  if #drivers == 0 then
    return nil, "the rules name no provider"
  end
  local first = attempt % #drivers
  return table.move(drivers, 1, first, #drivers + 1), first + 1
end

-- The first provider that takes the message and whose gate is open; else the shortest wait; else the last refusal.
---@return bascule.Attempt? attempt, bascule.Outcome? outcome
local function choose(drivers, first, message, settings)
  local shortest, refusal
  for index = first, #drivers do
    local driver = drivers[index]
    local prepared, refused = prepare(driver, message, settings)
    if prepared then
      local key = driver.destination(settings)
      local open, wait_ms = gate.enter(key)
      if open then
        return { driver = driver, prepared = prepared, gate = key }
      end
      shortest = math.min(shortest or wait_ms, wait_ms)
    else
      refusal = refused
    end
  end
  return nil, shortest and paused(shortest) or refusal
end

-- ---- attempts

local function enter(driver, prepared, progress, settings)
  local key = driver.destination(settings)
  local open, wait_ms = gate.enter(key)
  if not open then
    return nil, paused(wait_ms)
  end
  return { driver = driver, prepared = prepared, progress = progress, gate = key }
end

---@return bascule.Attempt? attempt, bascule.Outcome? outcome
local function in_one(message, decision, settings)
  local drivers, first_or_reason = candidates(decision, message.attempts)
  if not drivers then
    return nil, rule.rejected(first_or_reason, "unknown_provider")
  end
  return choose(drivers, first_or_reason, decision.message, settings)
end

---@return bascule.Attempt? attempt, bascule.Outcome? outcome
local function in_parts(decision, settings)
  local progress, first = { parts = {}, next = 1 }, nil
  for index, part in ipairs(decision.parts) do
    local driver, reason = driver_of(part.provider or providers.default)
    if not driver then
      return nil, parts.mark(rule.rejected(reason, "unknown_provider"), index, #decision.parts)
    end
    local prepared, refusal = prepare(driver, part, settings)
    if not prepared then
      return nil, parts.mark(refusal, index, #decision.parts)
    end
    progress.parts[index], first = parts.kept(prepared, driver.name), first or driver
  end
  return enter(first, progress.parts[1], progress, settings)
end

local function add_event(outcome, event)
  for name, value in pairs(outcome.event or {}) do
    event[name] = value
  end
  outcome.event = event
end

--- The first attempt by what the rules decided.
---@param message bascule.Message
---@param verdict bascule.Verdict
---@param settings table<string,string>
---@return bascule.Attempt? attempt, bascule.Outcome? outcome
function attempts.new(message, verdict, settings)
  local decision, event = verdict.decision, verdict.event
  local attempt, outcome
  if decision.action == "split" then
    attempt, outcome = in_parts(decision, settings)
  else
    attempt, outcome = in_one(message, decision, settings)
  end
  if attempt then
    event.provider = attempt.driver.name
    attempt.event, attempt.memory = event, verdict.memory
  elseif outcome.outcome ~= "busy" then
    add_event(outcome, event)
  end
  return attempt, outcome
end

local function not_again(provider)
  return {
    outcome = "refused",
    kind = "permanent",
    code = "outcome_unknown",
    reason = "nobody knows whether it was sent, and " .. provider .. " would send it twice",
    attempted = false,
  }
end

-- Without an idempotency key another send may be a second one, which the operator may not want; a replay (attempts
-- begin anew with it) is wanted.
local function may_send_twice(message, driver)
  return message.outcome_unknown and not driver.idempotent and message.attempts > 0
    and config.get "BASCULE_UNKNOWN_OUTCOME" == "fail"
end

--- What was decided before, without asking the rules: an attempt of unknown outcome once more, or the next part.
---@param message bascule.Message
---@param settings table<string,string>
---@return bascule.Attempt? attempt, bascule.Outcome? outcome
function attempts.again(message, settings)
  local progress = parts.of(message)
  local prepared = progress and progress.parts[progress.next] or message.sent
  local driver, reason = driver_of(prepared.provider or message.provider)
  local attempt, outcome
  if not driver then
    outcome = rule.rejected(reason, "unknown_provider")
  elseif may_send_twice(message, driver) then
    outcome = not_again(driver.name)
  else
    attempt, outcome = enter(driver, prepared, progress, settings)
  end
  if progress and outcome and outcome.outcome ~= "busy" then
    parts.mark(outcome, progress.next, #progress.parts)
  end
  return attempt, outcome
end

-- ---- sending

local function idempotency_key(message, progress)
  local key = message.location .. ":" .. message.external_id
  if message.epoch > 0 then
    key = key .. ":r" .. message.epoch
  end
  if progress and progress.next > 1 then
    key = key .. ":p" .. progress.next
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

local function send(message, attempt, settings)
  local progress = attempt.progress
  local outcome = call_driver(attempt, settings, idempotency_key(message, progress))
  leave(attempt.gate, outcome)
  outcome.provider = attempt.driver.name
  if progress then
    parts.mark(outcome, progress.next, #progress.parts)
  end
  if progress and outcome.outcome == "accepted" then
    parts.advance(progress, outcome)
  end
  return outcome
end

--- Begins the attempt and sends. Without an outcome nothing was sent: CONFLICT, the message is not this process's any
--- more; MEMORY, the rules are to be asked again.
---@param message bascule.Message
---@param attempt bascule.Attempt
---@param settings table<string,string>
---@return bascule.Outcome? outcome, string? name
function attempts.make(message, attempt, settings)
  local progress = attempt.progress
  local ok, why, name = store.attempt_begin {
    id = message.id,
    lease = message.lease,
    provider = attempt.driver.name,
    sent = progress or attempt.prepared,
    part = progress and progress.next,
    parts = progress and #progress.parts,
    event = attempt.event,
    memory = attempt.memory,
  }
  if ok then
    return send(message, attempt, settings)
  end
  gate.leave(attempt.gate, "paused", 0)
  if name == "CONFLICT" or name == "MEMORY" then
    return nil, name
  end
  return rule.busy(failure.words(why, name))
end

return attempts
