---@meta
-- Between the queue (host/queue, C) and Lua: what the delivery workers call, and what a provider driver is.
-- Field names of messages are those of host/store/store.h.

--- A message as the store has it; see struct store_message. `sent`, `received`, `report_error` are tables.
---@class bascule.Message
---@field id string
---@field direction "outbound"|"inbound"
---@field state string
---@field location string
---@field company? string
---@field external_id string
---@field conversation string
---@field payload string raw JSON as received
---@field received? table
---@field reason? string
---@field provider? string
---@field provider_message_id? string
---@field sent? table
---@field created_ms integer
---@field attempts integer
---@field polls integer
---@field epoch integer
---@field outcome_unknown boolean
---@field accepted_ms integer
---@field report_status? string
---@field report_error? {code:string, type:string, message:string}
---@field report_attempts integer
---@field lease integer
---@field lease_expired boolean

---@alias bascule.Kind
---| "retryable"            the provider or the way to it failed; nothing was sent
---| "rate_limited"         as retryable, with the time to wait
---| "permanent"            the provider refused the message for good
---| "invalid_number"
---| "unauthorized"         the account's key is wrong or blocked: an operator must look
---| "insufficient_credit"  the account has no credit: an operator must look

--- What an attempt came to: the answer of bascule.delivery.send, whose events and next step the queue makes of it.
---@class bascule.Outcome
---@field outcome "accepted"|"refused"|"unknown"|"rejected"|"deferred"|"busy"
---@field reason? string for a person
---@field code? string stable, e.g. the provider's error_code
---@field kind? bascule.Kind refused
---@field retry_after_ms? integer refused
---@field idempotent? boolean unknown: the provider has an idempotency key, so sending again is safe
---@field provider? string
---@field provider_message_id? string accepted
---@field receipt? boolean accepted: the provider can be asked for a receipt
---@field more? boolean accepted: a part was, and the next one of the message is to be sent at once
---@field sent? string JSON; accepted: how far a message in several parts has come, in place of message.sent
---@field told? string rejected: what GHL's user is told in place of the reason
---@field until_ms? integer deferred
---@field wait_ms? integer busy: no attempt was begun; ask again then
---@field attempted? boolean refused: false where store.attempt_begin was not called, so that the timeline shows no attempt
---@field event? table more for the attempt's event (status, parts, elapsed_ms, part, of, what the rules did); no secrets

---@class bascule.Receipt
---@field receipt "delivered"|"undelivered"|"pending"|"unavailable" pending: ask again; unavailable: could not ask now
---@field sent? string JSON, as above: of which parts the receipt is known
---@field reason? string
---@field code? string
---@field wait_ms? integer
---@field event? table

---@class bascule.Report
---@field outcome "reported"|"retry"|"given_up"|"withheld" withheld: a rule wants GHL not to hear this status
---@field reason? string
---@field retry_after_ms? integer
---@field uncounted? boolean retry: a gate was closed or a token is missing; does not use up a try
---@field event? table

---@class bascule.delivery
local delivery = {}
--- Rules, driver, attempt. Calls store.attempt_begin before anything is sent; where that says CONFLICT it returns nil, and
--- the queue lets the message be. Of a message that its rules split (see bascule.delivery.parts) one call sends one part.
---@param message bascule.Message
---@return bascule.Outcome?
function delivery.send(message) end
--- Asks the provider what became of a message that it accepted: of all parts together.
---@param message bascule.Message
---@return bascule.Receipt
function delivery.receipt(message) end
--- Tells GHL message.report_status, or what the rules make of it.
---@param message bascule.Message
---@return bascule.Report
function delivery.report(message) end

--- A provider driver: lua/bascule/providers/<name>.lua returns one.
---@class bascule.Provider
---@field name string
---@field idempotent boolean has an idempotency key: an unknown outcome can be tried again safely
---@field receipts boolean can be asked for receipts
local provider = {}
--- Checks and normalises before an attempt begins; what it returns is kept as the message's `sent` and given to send. The
--- names parts, next, provider, provider_message_id and receipt are the road's, for messages in several parts.
---@param message table the rule's message: to, body, sender, attachments
---@param settings table<string,string> the location's settings
---@return table? prepared, bascule.Outcome? refusal
function provider.prepare(message, settings) end
--- The gate's key: the account at that provider.
---@param settings table<string,string>
---@return string
function provider.destination(settings) end
--- Sends what prepare made.
---@param prepared table
---@param settings table<string,string>
---@param idempotency_key string
---@return bascule.Outcome
function provider.send(prepared, settings, idempotency_key) end
---@param message bascule.Message
---@param settings table<string,string>
---@return bascule.Receipt
function provider.receipt(message, settings) end
