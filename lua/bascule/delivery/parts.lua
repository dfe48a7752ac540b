-- A message that its rules split. What is kept of it (the message's `sent`) is
--
--   { parts = { { provider = "cast", to = ..., body = ..., provider_message_id = ?, receipt = ? }, ... }, next = 2 }
--
-- with each part as its driver prepared it. All are prepared before the first is sent, so that one that cannot be
-- sent refuses the message as a whole. They go in order, each with an attempt of its own; once one was accepted the
-- rules are not asked again, and what is left is sent as they said.
local json = require "host.json"

local parts = {}

--- The provider took it and can be asked what became of it.
local open <const> = "pending"

---@class bascule.Parts
---@field parts table[]
---@field next integer

--- How far the message has come, or nil where it is no split one.
---@param message bascule.Message
---@return bascule.Parts?
function parts.of(message)
  local sent = message.sent
  return sent and type(sent.parts) == "table" and sent or nil
end

--- Some parts were accepted and others are still to be sent.
---@param message bascule.Message
---@return boolean
function parts.is_begun(message)
  local progress = parts.of(message)
  return progress ~= nil and progress.next > 1
end

local function name_of(index, count)
  return ("part %d of %d: "):format(index, count)
end

--- Marks what an attempt, a refusal or a receipt of one part says.
---@param outcome table with `reason` and `event`
---@param index integer
---@param count integer
---@return table outcome the same
function parts.mark(outcome, index, count)
  outcome.reason = outcome.reason and name_of(index, count) .. outcome.reason
  outcome.event = outcome.event or {}
  outcome.event.part, outcome.event.of = index, count
  return outcome
end

--- What is kept of a part: as its driver prepared it, and by which.
---@param prepared table
---@param provider string
---@return table
function parts.kept(prepared, provider)
  local part = { provider = provider }
  for name, value in pairs(prepared) do
    part[name] = value
  end
  return part
end

local function can_be_asked(list)
  for _, part in ipairs(list) do
    if part.receipt == open then
      return true
    end
  end
  return false
end

--- Writes an accepted part into the progress, and into the outcome how to go on.
---@param progress bascule.Parts
---@param outcome bascule.Outcome
function parts.advance(progress, outcome)
  local part = progress.parts[progress.next]
  part.provider_message_id = outcome.provider_message_id
  part.receipt = outcome.receipt and open or nil
  progress.next = progress.next + 1
  outcome.more = progress.next <= #progress.parts
  outcome.receipt = can_be_asked(progress.parts)
  outcome.sent = assert(json.encode(progress))
end

-- ---- receipts

-- Asks for the receipts of the parts that have none; nil where one is undelivered, which ends it for all.
local function ask_open(list, ask)
  local waiting, changed
  for index, part in ipairs(list) do
    local told = part.receipt == open and ask(part) or nil
    if told and told.receipt == "undelivered" then
      return parts.mark(told, index, #list)
    elseif told and told.receipt == "delivered" then
      part.receipt, changed = told.receipt, told
    elseif told and not (waiting and waiting.wait_ms) then
      waiting = told
    end
  end
  return nil, waiting, changed
end

local function all_delivered(list)
  for _, part in ipairs(list) do
    if part.receipt ~= "delivered" then
      return false
    end
  end
  return true
end

--- One receipt for all parts: delivered when all are, undelivered when one is.
---@param progress bascule.Parts
---@param ask fun(part: table): bascule.Receipt
---@return bascule.Receipt
function parts.receipt(progress, ask)
  local list = progress.parts
  local undelivered, waiting, changed = ask_open(list, ask)
  local receipt = undelivered or waiting or { receipt = "unavailable", reason = "the provider has no receipts" }
  if not undelivered and all_delivered(list) then
    receipt = { receipt = "delivered", event = { of = #list } }
  end
  receipt.sent = changed and assert(json.encode(progress)) or nil
  return receipt
end

return parts
