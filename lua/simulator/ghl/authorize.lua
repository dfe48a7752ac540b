-- The page on which an agency chooses where to install the app. `?approve=LOCATION` or `approve=company` answers as if
-- the choice was made; the option --auto-approve makes it without asking.
local http = require "host.http"
local options = require "simulator.options"
local respond = require "bascule.respond"
local tokens = require "simulator.ghl.tokens"
local time = require "host.time"
local world = require "simulator.world"

local page = [[<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Simulated GHL: choose a location</title>
<style>body{font:16px sans-serif;max-width:36em;margin:3em auto;padding:0 1em}li{margin:.6em 0}</style></head>
<body><h1>Install %s</h1>
<p>This is Bascule's simulator, not GoHighLevel. The app asks for: %s</p>
<ul>%s</ul>
</body></html>
]]

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local function escaped(text)
  return (text:gsub("[&<>\"']", entities))
end

local function choices(request)
  local items = {}
  local function add(id, label)
    local url = ("%s?%s&approve=%s"):format(request.path, request.query, http.escape(id))
    items[#items + 1] = ('<li><a href="%s">%s</a></li>'):format(escaped(url), escaped(label))
  end
  for _, location in ipairs(options.locations) do
    add(location, "Location " .. location)
  end
  add("company", "The whole company " .. options.company)
  return table.concat(items, "\n")
end

--- Notes an installation; "" stands for the company's own.
local function install(location, scopes)
  local known = world.installed[location]
  world.installed[location] = { at_ms = known and known.at_ms or time.now_ms(), scopes = scopes }
end

--- The grant of what was chosen; nil where there is no such location.
local function grant_of(choice, scopes)
  local grant = { company = options.company, scopes = scopes, user = "SIMULATEDUSER0000001" }
  if choice == "company" or choice == options.company then
    for _, location in ipairs(options.locations) do
      install(location, scopes)
    end
    install("", scopes)
    grant.kind, grant.bulk = "Company", true
    return grant
  end
  if not world.has_location(choice) then
    return nil
  end
  install(choice, scopes)
  grant.kind, grant.location, grant.bulk = "Location", choice, false
  return grant
end

local function fault_of(query)
  if query.response_type ~= "code" then
    return "response_type must be code."
  end
  if query.client_id ~= options.client_id then
    return "There is no app with this client_id."
  end
  if not (query.redirect_uri or ""):match "^https?://[^%s]+$" then
    return "redirect_uri is no URL."
  end
  if (query.scope or "") == "" then
    return "scope is missing."
  end
end

local function back(query, grant)
  local fields = { code = tokens.new_code(grant), state = query.state }
  local joint = query.redirect_uri:find("?", 1, true) and "&" or "?"
  return respond.redirect(query.redirect_uri .. joint .. http.form(fields))
end

---@param request host.Request
---@return bascule.Answer
return function(request)
  local query = http.parse_form(request.query) or {}
  local fault = fault_of(query)
  if fault then
    return respond.html(400, "<!doctype html><title>Error</title><p>" .. escaped(fault) .. "</p>")
  end
  local choice = query.approve or (options.auto_approve and options.locations[1])
  if not choice then
    return respond.html(200, page:format(escaped(query.client_id), escaped(query.scope), choices(request)))
  end
  local grant = grant_of(choice, query.scope)
  if not grant then
    return respond.html(404, "<!doctype html><title>Error</title><p>There is no such location.</p>")
  end
  return back(query, grant)
end
