-- The words by which people stop texts, allow them again, or ask for help, as carriers match them: the whole message is
-- the word, in any case, whatever stands around or between its letters ("Stop.", "STOP ALL", "opt-out").
--
--   words.match "Stop!"                                    -->  "stop"
--   words.match("please stop by", nil)                     -->  nil
--   words.match("ALIS", { stop = { "ALIS" } })             -->  "stop": words beside the usual ones
--   words.match("YES", { without = { "YES", "END" } })     -->  nil
--
--   inbound = function(message, context)
--     words.handle(message, context, { replies = { stop = "START brings our texts back." } })
--     return message
--   end
---@meta bascule.words
local arguments = require "host.arguments"

local words = {}

---@class bascule.words.Options
---@field stop? string[] beside the usual ones
---@field start? string[]
---@field help? string[]
---@field without? string[] of the usual ones, what means something else here: "YES", "END", "INFO"

-- The usual ones in English (CTIA, Short Code Monitoring Handbook; the opt-out keywords of US carriers), and Filipino,
-- Spanish and French ones.
local usual <const> = {
  stop = " STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT HINTO ITIGIL TIGIL TAMANA PARAR BAJA ARRET ARRÊT ",
  start = " START YES UNSTOP OPTIN SIMULA ITULOY ",
  help = " HELP INFO TULONG AYUDA AIDE ",
}
local kinds <const> = { "stop", "start", "help" } -- in doubt, the one that people rely on first
local match_options <const> = { stop = "table", start = "table", help = "table", without = "table" }

---@class bascule.words.HandleOptions: bascule.words.Options
---@field replies? {stop?: string, start?: string, help?: string} what is answered
---@field remember? string a value of the rules' memory: true from a stop word to a start word, for outbound to ask

local word_most_bytes <const> = 64 -- a longer message is no word

-- Letters, digits and what is not ASCII, in upper case.
local function normal(text)
  return (text:gsub("[^%w\x80-\xFF]", ""):upper():gsub("ê", "Ê"))
end

local function is_among(word, list)
  for _, other in ipairs(list or {}) do
    if normal(tostring(other)) == word then
      return true
    end
  end
  return false
end

local function match(body, options)
  local word = #body <= word_most_bytes and normal(body) or ""
  for _, kind in ipairs(kinds) do
    local is_usual = word ~= "" and usual[kind]:find(" " .. word .. " ", 1, true)
    if is_usual and not is_among(word, options.without) or word ~= "" and is_among(word, options[kind]) then
      return kind
    end
  end
  return nil
end

--- What the whole message asks for, or nil.
---@param body string
---@param options? bascule.words.Options
---@return "stop"|"start"|"help"|nil
function words.match(body, options)
  if type(body) ~= "string" then
    error("words.match: the text is a " .. type(body), 2)
  end
  return match(body, arguments.options("words.match", options, match_options))
end

local handle_options <const> = {
  stop = "table", start = "table", help = "table", without = "table", replies = "table", remember = "string",
}
local reply_kinds <const> = { stop = "string", start = "string", help = "string" }

--- For inbound: sets do-not-disturb of the contact in GHL at a stop word, ends it at a start word, and answers where
--- there is a reply. Returns what words.match gives; the message goes its way.
---@param message bascule.InboundMessage
---@param context bascule.Context
---@param options? bascule.words.HandleOptions
---@return "stop"|"start"|"help"|nil
function words.handle(message, context, options)
  local given = arguments.options("words.handle", options, handle_options)
  local replies = arguments.options("words.handle's replies", given.replies, reply_kinds)
  local kind = match(message.body, given)
  if kind == "stop" or kind == "start" then
    context.dnd(kind == "stop")
  end
  if given.remember and kind == "stop" then
    context.remember(given.remember, true)
  elseif given.remember and kind == "start" then
    context.forget(given.remember)
  end
  if replies[kind] then
    context.reply(replies[kind])
  end
  return kind
end

return words
