-- What the queue's workers call: send a message, ask for its receipt, tell GHL its status. The contract is
-- lua/meta/delivery.lua.
local gate = require "host.gate"

local attempts = require "bascule.delivery.attempt"
local location_settings = require "bascule.settings"
local parts = require "bascule.delivery.parts"
local providers = require "bascule.providers"
local rule = require "bascule.delivery.rule"

local delivery = {}

local busy_ms <const> = 1000
local askings_most <const> = 5 -- of a rule whose effects on memory no longer held when its message was to be sent

-- ---- send

local function send_again(message, settings)
  local attempt, outcome = attempts.again(message, settings)
  if not attempt then
    return outcome
  end
  return (attempts.make(message, attempt, settings))
end

-- Asks the rules and sends. The name MEMORY: other messages have changed what the rules went by; ask again.
---@return bascule.Outcome? outcome, string? name
local function ask_and_send(message, settings)
  local verdict, outcome = rule.outbound(message, settings)
  if not verdict then
    return outcome
  end
  local attempt
  attempt, outcome = attempts.new(message, verdict, settings)
  if not attempt then
    return outcome
  end
  return attempts.make(message, attempt, settings)
end

---@param message bascule.Message
---@return bascule.Outcome?
function delivery.send(message)
  local settings, reason = location_settings.of(message.location)
  if not settings then
    return rule.busy(reason)
  elseif message.outcome_unknown and message.sent and message.provider or parts.is_begun(message) then
    return send_again(message, settings)
  end
  for _ = 1, askings_most do
    local outcome, name = ask_and_send(message, settings)
    if name ~= "MEMORY" then
      return outcome
    end
  end
  return rule.busy "other messages keep changing what the rules remember"
end

-- ---- receipt

local function unavailable(reason, wait_ms)
  return { receipt = "unavailable", reason = reason, wait_ms = wait_ms }
end

---@return bascule.Receipt
local function ask_provider(message, settings)
  local driver, reason = providers.get(message.provider)
  if not driver or not driver.receipts then
    return unavailable(reason or "the provider has no receipts")
  end
  -- A gate of its own: that receipts cannot be had is no reason not to send.
  local key = driver.destination(settings) .. ":receipts"
  local open, wait_ms = gate.enter(key)
  if not open then
    return unavailable("the provider is paused", wait_ms)
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

---@param message bascule.Message
---@return bascule.Receipt
function delivery.receipt(message)
  local settings, reason = location_settings.of(message.location)
  if not settings then
    return unavailable(reason, busy_ms)
  end
  local progress = parts.of(message)
  if not progress then
    return ask_provider(message, settings)
  end
  return parts.receipt(progress, function(part)
    return ask_provider(setmetatable({
      provider = part.provider,
      provider_message_id = part.provider_message_id,
    }, { __index = message }), settings)
  end)
end

-- ---- report

delivery.report = require "bascule.delivery.report"

return delivery
