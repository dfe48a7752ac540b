---@meta
-- What the host gives to trusted Lua (lua/bascule, lua/simulator). Editors complete from this file; a spec proves that
-- every function here exists and that the host has no other.
--
-- A call that fails returns nil, "NAME: text for a person", "NAME". Calls marked (waits) suspend the coroutine, never the
-- thread. Wrong types of arguments raise. Times are milliseconds; wall times count from 1970-01-01 UTC.

---@class host.http
local http = {}

---@class host.http.Request
---@field method? string default "GET"
---@field url string http:// or https://
---@field headers? table<string,string>
---@field body? string
---@field timeout_ms? integer for the whole call; default BASCULE_CLIENT_TIMEOUT_MS
---@field idempotent? boolean default: true for GET, HEAD, PUT, DELETE; only then may a lost connection be tried again
---@field answer_limit_bytes? integer

---@class host.http.Answer
---@field status integer
---@field headers table<string,string> names in lower case; repeated ones joined by ", "
---@field body string
---@field elapsed_ms integer

--- One HTTP request (waits). Errors: INVALID, DENIED (address not allowed), CONNECT (nothing was sent), TIMEOUT, CLOSED,
--- TOO_LARGE; a fourth result says whether the peer may have seen the request.
---@param request host.http.Request
---@return host.http.Answer? answer, string? error, string? name, boolean? sent
function http.request(request) end

--- Percent-encodes for a query or form (RFC 3986 unreserved characters stay).
---@param text string
---@return string
function http.escape(text) end

--- Decodes a query string or form ("+" is a space). A repeated name: the last wins. Bad escapes: INVALID.
---@param text string
---@return table<string,string>? fields, string? error, string? name
function http.parse_form(text) end

--- Encodes a table of strings/numbers as a form, by sorted names.
---@param fields table<string,string|number>
---@return string
function http.form(fields) end

---@class host.json
---@field null userdata stands for JSON's null inside tables
local json = {}

--- Decodes strictly (RFC 8259; duplicate keys, invalid UTF-8, nesting over 64 are refused). Integers stay integers where
--- they fit 64 bits; null is json.null; arrays come with the array mark, so that [] stays [].
--- Error: INVALID with line, column and what was wrong.
---@param text string
---@return any value, string? error, string? name
function json.decode(text) end

--- Encodes. A table is an array when it is marked or when its keys are 1..n with n > 0; otherwise an object whose keys
--- must be strings. Keys are sorted. NaN, infinities, functions, invalid UTF-8, cycles: INVALID.
---@param value any
---@return string? text, string? error, string? name
function json.encode(value) end

--- Marks a table as an array (and returns it).
---@param list table
---@return table
function json.array(list) end

---@class host.crypto
local crypto = {}
---@param bytes integer
---@return string base64url
function crypto.token(bytes) end
---@param a string
---@param b string
---@return boolean equal constant time in the contents
function crypto.equal(a, b) end
---@param data string
---@return string hex
function crypto.sha256(data) end
---@param key string
---@param data string
---@return string hex
function crypto.hmac_sha256(key, data) end
---@param data string
---@return string
function crypto.base64(data) end
---@param text string
---@return string? data, string? error, string? name INVALID
function crypto.unbase64(text) end
--- Signs the text so that any replica can tell that it is ours: "text.mac". The text must not hold ".".
---@param text string
---@return string
function crypto.stamp(text) end
---@param stamped string
---@return string? text nil where it is not genuine
function crypto.unstamp(stamped) end
--- The signature of an incoming webhook over its raw body, by the configured keys. Errors: MISSING, MALFORMED, WRONG.
---@param body string
---@param ... string? header values
---@return string? key "Ed25519 5a2c1b27...", string? error, string? name
function crypto.verify_webhook(body, ...) end
--- For the simulator: signs with the Ed25519 key made of a seed (32 bytes).
---@param seed string
---@param body string
---@return string base64
function crypto.ed25519_sign(seed, body) end
---@param seed string
---@return string pem
function crypto.ed25519_public_pem(seed) end

---@class host.time
local time = {}
---@return integer
function time.now_ms() end
---@return integer
function time.monotonic_ms() end
--- (waits)
---@param ms integer
function time.sleep(ms) end
---@param ms integer
---@return string "2026-01-02T03:04:05.678Z"
function time.iso(ms) end
---@param text string
---@return integer? ms nil where it is no such time
function time.parse_iso(text) end

---@class host.log
local log = {}
--- Fields: strings, numbers, booleans. Never secrets, never message text. The coroutine's request id or message id and its
--- generation are added.
---@param event string
---@param fields? table<string,string|number|boolean>
function log.debug(event, fields) end
---@param event string
---@param fields? table<string,string|number|boolean>
function log.info(event, fields) end
---@param event string
---@param fields? table<string,string|number|boolean>
function log.warn(event, fields) end
---@param event string
---@param fields? table<string,string|number|boolean>
function log.error(event, fields) end

---@class host.metrics
local metrics = {}
--- Adds to a counter. Label: 'name=value' or nil.
---@param name string
---@param label? string
---@param amount? integer default 1
function metrics.add(name, label, amount) end
---@return string text exposition of all metrics
function metrics.text() end

---@class host.phone
local phone = {}
---@class host.phone.Number
---@field e164 string
---@field national string
---@field region string
---@field mobile boolean
---@field valid boolean
---@param text string
---@param region? string ISO country of numbers without a country code
---@return host.phone.Number? number, string? error, string? name INVALID
function phone.parse(text, region) end

--- Time zones with their daylight saving time: an offset ("+08:00"), "UTC", or a name of tzdata. Unknown zones and years
--- beyond 1 to 9999: INVALID.
---@class host.zone
local zone = {}
---@class host.zone.Civil
---@field year integer
---@field month integer
---@field day integer
---@field hour integer
---@field minute integer
---@field second integer
---@field weekday integer 1 is Monday
---@field offset_s integer east of UTC

--- What clocks and calendars there show.
---@param name string
---@param ms integer
---@return host.zone.Civil? civil, string? error, string? name INVALID
function zone.civil(name, ms) end
--- When they show that; what is too large carries over. Of "repeated" times it is the first, of "skipped" ones the moment
--- when clocks are put forward over them.
---@param name string
---@param year integer
---@param month integer
---@param day integer
---@param hour? integer
---@param minute? integer
---@param second? integer
---@return integer? ms, "unique"|"skipped"|"repeated"|string kind_or_error, string? name INVALID
function zone.instant(name, year, month, day, hour, minute, second) end

--- How the rules' library refuses wrong arguments; its errors name the line that called the library.
---@class host.arguments
local arguments = {}
--- The options, or an empty table for nil. Raises where one is unknown, missing or of another type than expected:
--- { segments = "integer!", ellipsis = "string" } ("!": needed).
---@param name string of the function that was given them: "text.fit"
---@param options any
---@param expected table<string, string>
---@return table
function arguments.options(name, options, expected) end
--- "; did you mean 'first_name'?", or "; there is ..." with all of them.
---@param word string
---@param names table<string, any> the keys are the names
---@return string
function arguments.hint(word, names) end

---@class host.config
local config = {}
--- The value of a setting as text, number or boolean (by its type), or nil.
---@param name string "GHL_CLIENT_ID"
---@return string|integer|boolean|nil
function config.get(name) end
---@return string the version of the program
function config.version() end
---@return string random id of this run of the process
function config.process_id() end
--- The options of the command that Lua reads itself (`bascule simulate`): "--cast-delay-ms 50" is ["cast-delay-ms"] = "50",
--- an option without a value is "on", one given twice is joined by ",". Empty for every other command.
---@return table<string,string>
function config.arguments() end

--- A small cache shared by all threads of the process: strings, numbers and booleans with an end. What is in it may vanish
--- at any time.
---@class host.cache
local cache = {}
---@param key string
---@return string|number|boolean|nil
function cache.get(key) end
---@param key string
---@param value string|number|boolean|nil nil removes
---@param ttl_ms integer
function cache.put(key, value, ttl_ms) end

--- All calls wait. Errors beside those named: BUSY, FULL (try again later: answer 429), FAILED.
--- Tables are store.h's structs, by the same field names (without _ms arithmetic: times stay milliseconds); states,
--- directions and tracks are their names as text. Secrets (tokens, sealed settings) are sealed and opened by the
--- binding: Lua sees them in clear, the store never does.
---@class host.store
local store = {}

---@class host.store.NewMessage
---@field direction "outbound"|"inbound"
---@field location string
---@field company? string
---@field external_id string
---@field conversation string
---@field payload string the raw body
---@field received? table goes with the "received" event
---@param message host.store.NewMessage
---@return string? id, boolean|string duplicate, string? name
function store.message_accept(message) end
--- With `events` (list of {at_ms, kind, data = table?}); `sent`, `received`, `report_error` are decoded tables.
---@param id string
---@return table? message, string? error, string? name NOT_FOUND
function store.message_get(id) end
--- Accepted from `since_ms` on, and before `until_ms`.
---@param filter {state?:string, location?:string, query?:string, cursor?:string, limit?:integer, since_ms?:integer, until_ms?:integer}
---@return table[]? messages, string? next, string? name on failure: nil, text, name
function store.message_list(filter) end
---@param id string
---@param event? table
---@return true? ok, string? error, string? name NOT_FOUND, CONFLICT
function store.message_replay(id, event) end
--- Records that an attempt begins, before anything is sent, and renews a lease of which much has passed. CONFLICT: it is
--- lost, send nothing. The rule's effects on memory happen with it; MEMORY: a condition of one does not hold any more,
--- nothing has happened, ask the rule again.
--- `part` of `parts` sends: the timeline shows it.
---@class host.store.Attempt
---@field id string
---@field lease integer
---@field provider string
---@field sent table
---@field event? table
---@field part? integer
---@field parts? integer
---@field memory? host.store.Effect[]
---@param attempt host.store.Attempt
---@return true? ok, string? error, string? name
function store.attempt_begin(attempt) end

--- What rules remember between messages.
---@class host.store.MemoryKey
---@field scope string location, or "agency:<slug>"
---@field name string
---@field key string whose it is, and of a counter the window: "contact:ID|2026-11-21"

---@class host.store.Effect: host.store.MemoryKey
---@field op "add"|"set"|"forget"
---@field by? integer add: 1 where it is left out
---@field most? integer add: the condition that the counter is no more than this with it
---@field value? any set: what JSON can tell
---@field first? boolean set: the condition that no other message's value is kept
---@field expires_ms? integer add, set: when the entry is forgotten; needed there

--- Entries in the order of the keys, without what the message itself did. A value that is not there is nil.
---@param message_id? string
---@param keys host.store.MemoryKey[]
---@return {count: integer, value: any}[]? remembered, string? error, string? name
function store.memory_read(message_id, keys) end
--- Effects without an attempt, all or none: once a message and entry, however often this is called. MEMORY as above.
---@param message_id? string
---@param effects host.store.Effect[] at most 64
---@return true? ok, string? error, string? name
function store.memory_apply(message_id, effects) end

--- Versions of the agencies' rules: those that were published, and a history of those from files.
---@class host.store.RulesVersion
---@field agency string
---@field version integer from 1 on, for each agency
---@field source? string not in lists; nil where it is no longer kept (BASCULE_RULE_VERSIONS_KEPT)
---@field hash string
---@field origin "published"|"file"
---@field mode "live"|"shadow"|"canary"|"superseded"|"withdrawn" a file's: live for the newest, superseded
---@field percent integer of a canary, else 0
---@field by? string who added it
---@field note? string
---@field at_ms integer
---@field changed_by? string of the newest change of its mode
---@field reason? string
---@field changed_ms? integer

--- Publishes rules: a live version supersedes the live one and the candidate before it, a candidate the candidate before
--- it. CONFLICT where another than `expected_version` (0: none) is the newest published one.
---@param rules {agency:string, source:string, hash:string, mode:"live"|"shadow"|"canary", percent?:integer, by?:string, note?:string, expected_version?:integer}
---@return integer? version, string? error, string? name
function store.rules_add(rules) end
--- Notes what a file holds, where the newest version from a file has another hash. What is published stays.
---@param rules {agency:string, source:string, hash:string, by?:string, note?:string}
---@return integer? version, boolean|string duplicate, string? name
function store.rules_record(rules) end
---@param agency string
---@param version integer
---@return host.store.RulesVersion? version, string? error, string? name NOT_FOUND
function store.rules_get(agency, version) end
--- Newest first, without sources.
---@param agency string
---@param before? integer versions below it
---@param limit? integer 1 to 500, default 50
---@return host.store.RulesVersion[]? list, string? error, string? name
function store.rules_list(agency, before, limit) end
--- Published versions that are live, and candidates (shadow, canary), with sources; by agency, live ones first.
---@return host.store.RulesVersion[]? list, string? error, string? name
function store.rules_current() end
--- CONFLICT: the mode is not `expected`, or it is a file's version. NOT_FOUND: no such version, or it is to run and its
--- source is no longer kept. Supersedes as rules_add does.
---@param change {agency:string, version:integer, expected:string, mode:string, percent?:integer, reason?:string, by?:string}
---@return true? ok, string? error, string? name
function store.rules_set_mode(change) end
--- Grows with every change of what rules_current answers; cheap.
---@return integer? revision, string? error, string? name
function store.rules_revision() end

---@class host.store.Installation
---@field company string
---@field location string "" for the company's own
---@field account? string
---@field status "connected"|"invalid"|"removed"
---@field reason? string
---@field access_token? string
---@field refresh_token? string
---@field expires_ms integer
---@field scopes? string
---@field user_id? string
---@field user_type? string
---@field details? table
---@field version? integer
---@param installation host.store.Installation
---@return true? ok, string? error, string? name
function store.installation_put(installation) end
---@param company? string
---@param location? string "" or nil: the company's own
---@return host.store.Installation? installation, string? error, string? name NOT_FOUND; UNSEALED (no key opens its tokens)
function store.installation_get(company, location) end
--- Without tokens.
---@param company? string
---@return host.store.Installation[]? list, string? error, string? name
function store.installation_list(company) end
--- Without tokens.
---@param before_ms integer
---@param limit integer
---@return host.store.Installation[]? list, string? error, string? name
function store.installation_expiring(before_ms, limit) end
--- The lease of a refresh; the owner is a random name of this flight. CONFLICT: read again.
---@param key {company:string, location:string, version:integer, owner:string, lease_ms:integer}
---@return true? ok, string? error, string? name
function store.refresh_begin(key) end
---@param tokens {company:string, location:string, owner:string, access_token:string, refresh_token?:string, expires_ms:integer, scopes?:string}
---@return true? ok, string? error, string? name
function store.refresh_done(tokens) end
---@param failure {company:string, location:string, owner:string, reason:string, invalid:boolean}
---@return true? ok, string? error, string? name
function store.refresh_failed(failure) end
---@param change {company:string, location:string, status:string, reason?:string}
---@return true? ok, string? error, string? name
function store.installation_set_status(change) end

---@param state string
---@param data table
---@param ttl_ms integer
---@return true? ok, string? error, string? name
function store.state_put(state, data, ttl_ms) end
---@param state string
---@return table? data, string? error, string? name NOT_FOUND
function store.state_take(state) end
--- Secret settings are sealed.
---@param scope string "location:<id>"
---@param name string
---@param value? string nil removes
---@param secret? boolean
---@return true? ok, string? error, string? name
function store.setting_put(scope, name, value, secret) end
--- By name; `secrets` lists the names that are sealed. Values in clear.
---@param scope string
---@return table<string,string>? values, table<string,boolean>|string secrets, string? name
function store.settings(scope) end
---@return true? ok, string? error, string? name
function store.probe() end

--- Rules for trying out, beside what runs: for commands (`bascule lua`), whose thread it holds up.
---@class host.dryrun
local dryrun = {}
---@class host.dryrun.Rules
local dry_rules = {}
--- What a folder holds, loaded as a server without a store would (nil: BASCULE_AGENCIES), or the sources that are given,
--- whose own tests are not run. Error: REFUSED (the trusted tree or the folder); agencies whose files are broken are listed as such.
---@param from? string|{slug:string, path:string, source:string}[]
---@return host.dryrun.Rules? rules, string? error, string? name
function dryrun.open(from) end
---@return {slug:string, hash:string, fault?:string}[]
function dry_rules:agencies() end
--- Whose rules a message gets: a slug, or "default".
---@param location string
---@param company? string
---@return string
function dry_rules:agency(location, company) end
--- As host.rules.needs.
---@param agency string
---@return table
function dry_rules:needs(agency) end
--- As host.rules.outbound and its kin, without waiting. Errors: RULE, BROKEN.
---@param name "outbound"|"inbound"|"report"
---@param agency string
---@param message table
---@param context table
---@return host.rules.Decision? decision, string? error, string? name
function dry_rules:call(name, agency, message, context) end
--- The lines of the agency's file around the one that an error of call, tests or agencies names (given without its
--- leading "RULE: "); nil where it names none.
---@param agency string
---@param error string
---@return string? lines
function dry_rules:excerpt(agency, error) end
--- The file's own tests, by name; `failure` is "file:line: what" of one that failed. Error: BROKEN.
---@param agency string
---@return {name:string, failure?:string}[]? tests, string? error, string? name
function dry_rules:tests(agency) end

--- The agencies' rules.
---@class host.rules
local rules = {}
---@class host.rules.Decision
---@field action "send"|"reject"|"defer"|"split"
---@field message? table as the rule returned it (send)
---@field parts? table[] messages in their order (split)
---@field reason? string (reject, defer)
---@field until_ms? integer (defer)
---@field providers? string[] (send, where the rule routed)
---@field memory? host.rules.Effect[] one for each name (send, split; inbound: reject)
---@field dnd? boolean (inbound: send, reject)
---@field reply? string (inbound: send, reject)
---@field log? string[]
---@field log_dropped? integer lines that passed the budget
---@field agency string slug, or "default"
---@field generation string
---@field usage? host.rules.Usage nil where no rules were there to be asked
---@field version? integer of the rules, where they were published
---@field shadow? {version: integer, same: boolean, error?: string, differs?: string[]} what the candidate in the shadow
--- answered beside this; of the message it names the fields
---@field canary? integer version of the canary that the message fell to
---@field canary_error? string why the canary failed: then the live rules decided
---@class host.rules.Effect
---@field name string of the rules' `memory`
---@field op "add"|"set"|"forget"
---@field by? integer (add)
---@field most? integer (add) what the counter may come to
---@field value? any (set)
---@field first? boolean (set) only where none is kept
---@class host.rules.Usage
---@field us integer of processor time
---@field instructions integer of Lua's machine, with the work in C that counts as such
---@field memory_bytes integer the most that the rules held
--- (waits) Runs outbound() of the agency that has this location (else of its company, else the default rules) on a copy
--- of `message`, on a rule thread; `context` gives it now (ms), location, company, settings, seed, attempt,
--- and memory by name ({count} or {value}); agency is added. Errors: RULE (its failure,
--- "file:line: what"), BROKEN (the agency's file does not load: "file:line: what"), QUARANTINED (these rules did not come
--- back once, and do not run until their file changes), UNAVAILABLE (the process is stopping).
---@param location string
---@param company? string
---@param message table
---@param context table
---@return host.rules.Decision? decision, string? error, string? name
function rules.outbound(location, company, message, context) end
--- (waits) The same of inbound().
---@param location string
---@param company? string
---@param message table
---@param context table
---@return host.rules.Decision? decision, string? error, string? name
function rules.inbound(location, company, message, context) end
--- (waits) The same of report().
---@param location string
---@param company? string
---@param message table
---@param context table
---@return host.rules.Decision? decision, string? error, string? name
function rules.report(location, company, message, context) end

---@class host.rules.Memory
---@field kind "counter"|"value"
---@field per "contact"|"number"|"location"|"agency"
---@field window? "hour"|"day"|"week"|"month" counter
---@field zone? string counter
---@field ttl_ms? integer value
---@class host.rules.Needs
---@field agency string slug, or "default"
---@field contact boolean message.contact is to be there
---@field report boolean there is a function for statuses
---@field memory table<string, host.rules.Memory> by name
--- What the rules of this location declare, on the generation of this coroutine. Nothing where there are none.
---@param location string
---@param company? string
---@return host.rules.Needs
function rules.needs(location, company) end

---@class host.scripts
local scripts = {}
---@return table as /admin/v1/scripts answers
function scripts.describe() end
--- (waits) True where a new generation is current, false where nothing had changed. Error: REFUSED with file and line.
---@return boolean? changed, string? error, string? name
function scripts.reload() end
--- (waits)
---@param id? string
---@return true? ok, string? error, string? name
function scripts.rollback(id) end
---@return string id of the generation that this coroutine runs on
function scripts.generation() end

---@class host.scripts.Agency
---@field slug string
---@field locations string[]
---@field companies string[]
---@field origin "file"|"published" of what runs, or where it is broken of what should
---@field version? integer where it was published
---@field hash string
---@field loaded_at? string
---@field fault? string what is wrong with its newest rules; earlier ones run unless `broken`
---@field broken boolean nothing runs: its messages are rejected with the fault
---@field quarantine? string why its rules do not run
---@field hidden_file? string path of a file that is not used, because rules were published
---@field candidate? host.scripts.Candidate
---@class host.scripts.Candidate
---@field version integer
---@field mode "shadow"|"canary"
---@field percent? integer
---@field hash string
---@field calls integer of it, in this process
---@field same? integer (shadow)
---@field different? integer (shadow)
---@field errors integer
---@field live_calls? integer (canary)
---@field live_errors? integer (canary)
---@field examples {message: string, what: string}[] newest first: fields that differ, or the error
---@field spoiled? string (canary) why it is being taken back
---@return host.scripts.Agency[] agencies by slug, as /admin/v1/agencies answers
function scripts.agencies() end
--- (waits) Whether a text could be published as an agency's rules: loads it, runs its tests, compares its claims with
--- those of others. REFUSED: and where.
---@param slug string
---@param source string
---@return string? hash, string? error, string? name, {file: string, line?: integer, excerpt?: string}? place
function scripts.check(slug, source) end

---@class host.queue
local queue = {}
---@param location string
function queue.wake(location) end
--- False while draining or too full: answer 429.
---@return boolean
function queue.accepts() end

---@class host.gate
local gate = {}
--- True: go, and report by leave. Else false and how long to wait.
---@param key string
---@return boolean open, integer? wait_ms
function gate.enter(key) end
---@param key string
---@param outcome "answered"|"failed"|"paused"
---@param pause_ms? integer
function gate.leave(key, outcome, pause_ms) end

--- The request given to bascule.server.handle.
---@class host.Request
---@field method string
---@field path string
---@field query string
---@field scheme string
---@field authority string
---@field peer string
---@field body string
---@field id string
local request = {}
---@param name string lower case
---@return string? value
function request:header(name) end
