-- What scripts/run shows: connects a location, sends a message through its rule, changes the rule and sends another.
-- Run by `bascule lua scripts/demo.lua BASCULE_URL SIMULATOR_URL ADMIN_TOKEN_FILE AGENCIES LOCATION COLOUR`.
local http = require "host.http"
local json = require "host.json"
local time = require "host.time"

local bascule, simulator, token_file, agencies, location, colour = table.unpack(arg)
local patience_ms <const> = 60000
local look_every_ms <const> = 20

local first_rule <const> = [[
-- The rule of the demo's agency: every outbound message passes here before it is sent.
-- Save this file and the next message runs under what you wrote.
return {
  locations = { "%s" },
  outbound = function(message, context)
    message.body = message.body .. " -- Demo Agency"
    return message
  end,
}
]]

local second_rule <const> = first_rule:gsub("%-%- Demo Agency", "-- changed while it ran")

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return (text:gsub("%s+$", ""))
end

local admin_token = read(token_file)

local function paint(code, text)
  return colour == "on" and ("\27[%sm%s\27[0m"):format(code, text) or text
end

local function say(text, ...)
  print(text:format(...))
  io.stdout:flush()
end

local function heading(text)
  say("\n%s", paint("1", text))
end

local function fail(text, ...)
  error(text:format(...), 0)
end

--- One request; an answer with another status than the wanted one ends the demo.
local function ask(method, url, wanted, body, headers)
  local answer, reason = http.request {
    method = method, url = url, body = body and json.encode(body), headers = headers or {
      ["content-type"] = body and "application/json" or nil,
    },
  }
  if not answer then
    fail("%s %s: %s", method, url:match "^[^?]*", reason)
  elseif answer.status ~= wanted then
    fail("%s %s answered %d instead of %d: %s", method, url:match "^[^?]*", answer.status, wanted, answer.body)
  end
  return answer
end

local function admin(path)
  local answer = ask("GET", bascule .. "/admin/v1" .. path, 200, nil, { authorization = "Bearer " .. admin_token })
  return json.decode(answer.body)
end

--- Calls look() until it gives something.
local function eventually(what, look)
  local deadline = time.monotonic_ms() + patience_ms
  repeat
    local found = look()
    if found then
      return found
    end
    time.sleep(look_every_ms)
  until time.monotonic_ms() > deadline
  fail("%s did not happen within %d s", what, patience_ms // 1000)
end

-- ---- the OAuth flow, hop by hop

local function connect()
  heading "1. Connecting a location by OAuth"
  local authorize = ask("GET", bascule .. "/install", 302).headers.location
  say("   GET /install            -> 302 to GHL's authorize page, with client id, scopes and a signed state")
  local callback = ask("GET", authorize .. "&approve=" .. location, 302).headers.location
  say("   the agency chooses      -> 302 back to %s with a code", callback:match "^[^?]*":sub(#bascule + 1))
  ask("GET", callback, 200)
  say("   GET the callback        -> 200: code exchanged, tokens sealed in the store")
end

-- ---- a message and its timeline

local function quoted(text)
  return '"' .. text .. '"'
end

--- What an event of the timeline says to a person, by its kind.
local tell = {
  received = function() return "signature checked, committed to disk, GHL has its 200" end,
  attempt_begun = function(event) return "handing it to " .. (event.provider or "the provider") end,
  rule = function(event) return ("the rule of agency %s ran"):format(event.agency or "default") end,
  attempt = function(event, message)
    local sent = message.sent or {}
    local text = quoted(sent.message or sent.body or "")
    return ("%s %s it: to %s, %s"):format(message.provider or "provider", event.outcome, sent.to or "?", text)
  end,
  receipt = function(event) return "the provider's receipt: " .. (event.receipt or "?") end,
  report = function(event)
    if event.outcome == "reported" then
      return "GHL shows it as " .. paint("32", event.status)
    end
    return ("GHL does not take %s yet (%s): tried again"):format(event.status, event.reason or event.outcome)
  end,
}

local function flat(event)
  local data = event.data
  if type(data) ~= "table" then
    return event
  end
  data.at, data.kind = event.at, event.kind
  return data
end

local function show(event, message, began_ms)
  local words = tell[event.kind]
  local at_ms = type(event.at) == "number" and event.at or time.parse_iso(event.at) or began_ms
  local text = words and words(event, message) or event.reason or ""
  say("   +%6.3f s  %-13s %s", math.max(0, at_ms - began_ms) / 1000, event.kind, text)
end

local function is_over(message)
  local last = message.events[#message.events]
  local event = last and flat(last) or {}
  if message.status == "dead" or message.status == "rejected" or message.status == "undelivered" then
    fail("the message became %s: %s", message.status, message.reason or "")
  end
  return event.kind == "report" and event.outcome == "reported" and event.status == "delivered"
end

--- Prints the events of a message as they come, until GHL shows it as delivered.
local function follow(id, began_ms)
  local shown = 0
  return eventually("GHL's showing the message as delivered", function()
    local message = admin("/messages/" .. id)
    for index = shown + 1, #message.events do
      show(flat(message.events[index]), message, began_ms)
    end
    shown = #message.events
    return is_over(message) and message or nil
  end)
end

local function send(text)
  local began_ms = time.now_ms()
  local answer = ask("POST", simulator .. "/simulate/send", 200,
    { location = location, phone = "+639171234567", message = text, bascule = bascule })
  local fired = json.decode(answer.body).sent[1]
  if fired.status ~= 200 then
    fail("the webhook was answered %s: %s", fired.status or "not at all", fired.error or json.encode(fired.body))
  end
  say("   GHL posts %s, signed with Ed25519; Bascule: 200 %s", quoted(text), fired.body.status)
  return follow(fired.body.id, began_ms)
end

-- ---- the rule

local rule_path = agencies .. "/demo/rules.lua"

--- As editors do it: a new file moved over the old one.
local function write_rule(text)
  local file = assert(io.open(rule_path .. ".new", "w"))
  file:write((text:gsub("%%s", location)))
  file:close()
  assert(os.rename(rule_path .. ".new", rule_path))
end

local function generation()
  return admin "/scripts".generation
end

--- Milliseconds from saving the rule until a new generation of scripts is current.
local function save_rule(text)
  local before, began_ms = generation(), time.monotonic_ms()
  write_rule(text)
  eventually("the reload", function() return generation() ~= before end)
  return time.monotonic_ms() - began_ms
end

local function sent_text(message)
  return message.sent.message or message.sent.body
end

local function expect_text(message, words)
  if not sent_text(message):find(words, 1, true) then
    fail("the message went out as %s, without '%s'", quoted(sent_text(message)), words)
  end
end

save_rule(first_rule)
connect()
heading "2. A message, from GHL to the phone and back"
expect_text(send "Kumusta! Your table is booked for 7 pm.", "-- Demo Agency")
heading "3. The rule changes while Bascule runs"
local took_ms = save_rule(second_rule)
say("   saved %s; live after %s", rule_path, paint("32", took_ms .. " ms"))
local changed = send "Kumusta! Your table is booked for 7 pm."
expect_text(changed, "-- changed while it ran")
say("   the second message went out as %s", paint("32", quoted(sent_text(changed))))
