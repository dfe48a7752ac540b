---@meta
-- The rules of an agency: what agencies/<slug>/rules.lua returns, what its functions are given and may return. Editors
-- complete from this file, docs/rules-api.md is made from it, and a spec holds it to what the host has.

--- The table that a rules file returns. Unknown keys are refused, with a suggestion.
---@class bascule.Rules
---@field name? string for people
---@field locations? string[] ids of GHL's locations that these rules are for
---@field companies? string[] ids of companies; a location is asked for before its company. One id of either list is needed
---@field outbound? fun(message: bascule.OutboundMessage, context: bascule.Context): table a message on its way to the provider
---@field inbound? fun(message: bascule.InboundMessage, context: bascule.Context): table a reply on its way to GHL
---@field report? fun(report: bascule.StatusReport, context: bascule.Context): table a status on its way to GHL
---@field limits? bascule.Limits lower limits than the operator's
---@field memory? table<string, bascule.MemoryDeclaration> what is kept between messages
---@field needs? ("contact")[] what the host fetches before the call: "contact" gives message.contact
---@field settings? table for people; nothing reads it
---@field tests? table<string, fun(t: bascule.Tests)> run before the file is taken; where one fails, the file is refused

--- Limits of one call. The operator's stand where they are lower (BASCULE_RULE_MS, BASCULE_RULE_INSTRUCTIONS,
--- BASCULE_RULE_MEMORY_BYTES).
---@class bascule.Limits
---@field ms? integer milliseconds of processor time
---@field instructions? integer of Lua's machine; work in C counts by its bytes and steps
---@field memory_bytes? integer

--- What the host keeps for these rules between messages. A counter counts within a window that begins anew with the
--- clock of `zone`; a value is kept for `ttl`.
---@class bascule.MemoryDeclaration
---@field kind "counter"|"value"
---@field per "contact"|"number"|"location"|"agency" whose it is
---@field window? "hour"|"day"|"week"|"month" counter: needed
---@field zone? string counter: "Asia/Manila"; "UTC" where it is left out
---@field ttl? string value, needed: "90s", "15m", "12h", "30d"

---@class bascule.OutboundMessage
---@field type "SMS"|"Custom"
---@field to string the number as GHL has it
---@field body string
---@field sender? string sender id at the provider; the location's setting where it is nil
---@field provider? string name of the provider; the default one where it is nil
---@field reference? string
---@field attachments string[] URLs
---@field message_id string
---@field contact_id? string
---@field conversation_id? string
---@field user_id? string
---@field contact? bascule.Contact where `needs` has "contact"; nil where GHL does not know it
---@field payload table every field that GHL sent

---@class bascule.InboundMessage
---@field from string the sender's number, E.164 where it is one
---@field to string our number or sender id
---@field body string
---@field attachments string[] URLs
---@field provider string
---@field message_id string the provider's
---@field contact? bascule.Contact as above
---@field payload table every field that the provider sent

--- Only status and error may be changed.
---@class bascule.StatusReport
---@field status "pending"|"delivered"|"failed"|"read"
---@field error? {code: string, type: string, message: string} of "failed"; `message` is what GHL's user sees
---@field to string
---@field body string
---@field provider? string
---@field message_id string GHL's
---@field attempts integer

---@class bascule.Contact
---@field id string
---@field first_name? string
---@field last_name? string
---@field name? string
---@field email? string
---@field phone? string
---@field company_name? string
---@field city? string
---@field state? string
---@field country? string
---@field timezone? string
---@field tags string[]
---@field dnd boolean not to be disturbed: at all, or by SMS
---@field custom table<string, any> custom fields by id

--- The same context and message give the same result: time and chance are in here.
---@class bascule.Context
---@field now integer milliseconds since 1970 UTC
---@field location string
---@field company? string
---@field agency string slug
---@field settings table<string, string> the location's settings that are no secrets
---@field seed integer 0 to 2^53 - 1, of the message: the same at each attempt
---@field attempt integer attempts that were made before, 0 at first
---@field memory table<string, bascule.Remembered> what the host kept, by the names of `memory`
local context = {}

---@class bascule.Remembered
---@field count? integer counter: what others than this message added within the window
---@field value? any value: what was kept, or nil

--- The message is not sent (outbound), not put into the conversation (inbound), GHL is not told (report).
---@param reason string for a person
---@return table
function context.reject(reason) end

--- Asks again at `until_`. Outbound and inbound.
---@param options {until_: integer, reason?: string} until_ in milliseconds since 1970
---@return table
function context.defer(options) end

--- Sends the message by the first of these providers that takes it; each further attempt begins with the next. Outbound.
---@param providers string[]
---@return table
function context.route(providers) end

--- Sends several messages in this order, each once the one before was taken; at most 10. Outbound. Each is a message as
--- outbound may return it, or a text: then the message with that body. Of several texts the last has the message's
--- attachments.
---@param messages (string|table)[]
---@return table
function context.split(messages) end

--- A line for the message's timeline and for dry runs; never in the server's log. 20 lines and 2,000 bytes a call, the
--- rest is dropped and counted.
---@param text string
function context.log(text) end

--- Adds to a counter, once a message however often it is tried, when the message is sent. With `most`: where that would
--- make it more, nothing is sent and the rule is asked again, with what others added meanwhile. Several calls for one
--- name add up. Outbound and inbound, as remember and forget.
---@param name string of `memory`
---@param options? {by?: integer, most?: integer}
function context.count(name, options) end

--- Keeps a value (what JSON can tell, up to 1,000 bytes) when the message is sent. With `first`: where another message
--- has kept one meanwhile, the rule is asked again.
---@param name string of `memory`
---@param value any
---@param options? {first?: boolean}
function context.remember(name, value, options) end

--- Forgets a value when the message is sent.
---@param name string of `memory`
function context.forget(name) end

--- Sets or ends do-not-disturb for SMS of the contact in GHL. Inbound.
---@param on boolean
function context.dnd(on) end

--- Answers the sender with a text. Inbound.
---@param body string
function context.reply(body) end

--- What tests of a rules file are given. What is left out has fixed defaults: noon of 2026-01-02 in Manila, the first of
--- the rules' locations, seed 0, empty memory.
---@class bascule.Tests
local t = {}

---@class bascule.Decision
---@field action "send"|"reject"|"defer"|"split"
---@field message? table send
---@field parts? table[] split
---@field reason? string reject, defer
---@field until_? integer defer
---@field providers? string[] send, where the rule routed
---@field memory? {name: string, op: "add"|"set"|"forget", by?: integer, most?: integer, value?: any, first?: boolean}[]
---@field dnd? boolean
---@field reply? string
---@field log? string[]

--- Runs outbound on a copy. `now` may be a text: "2026-01-02T23:00:00+08:00". `memory` is by name: { today = { count = 3 } }.
---@param message? table
---@param context? table
---@return bascule.Decision
function t.outbound(message, context) end

---@param message? table
---@param context? table
---@return bascule.Decision
function t.inbound(message, context) end

---@param report? table
---@param context? table
---@return bascule.Decision
function t.report(report, context) end

--- Deep comparison; raises where they differ, with both and `what`.
---@param actual any
---@param expected any
---@param what? string
function t.equal(actual, expected, what) end
