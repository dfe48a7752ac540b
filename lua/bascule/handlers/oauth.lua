-- Connecting: /install sends a browser to GHL, and GHL sends it back to a callback with a code.
--
-- Our state is stamped (so that it costs nothing to refuse a forged one), kept in the store for 15 minutes and taken
-- once. An installation that starts in GHL's marketplace has none: BASCULE_INSTALL_STATE_POLICY says whether it counts.
-- The callback answers under several paths, for the one that is registered with the app cannot be known here; the code
-- is exchanged with the one that it came to.
local config = require "host.config"
local crypto = require "host.crypto"
local http = require "host.http"
local log = require "host.log"
local metrics = require "host.metrics"
local respond = require "bascule.respond"
local store = require "host.store"

local companies = require "bascule.ghl.companies"
local errors = require "bascule.ghl.errors"
local failure = require "bascule.failure"
local ghl_oauth = require "bascule.ghl.oauth"
local pages = require "bascule.pages"
local tokens = require "bascule.ghl.tokens"

local oauth = {}

local state_ttl_ms <const> = 15 * 60 * 1000

local function base_url(request)
  return config.get "BASCULE_BASE_URL" or ("%s://%s"):format(request.scheme, request.authority)
end

local function wants_page(request)
  return (request:header "accept" or ""):find("text/html", 1, true) ~= nil
end

-- A failure goes to the configured page, as a page to a browser, and in the one error shape to all others.
local function fail(request, status, code, reason)
  metrics.add("bascule_installs_total", "result=failed")
  log.warn("installation failed", { reason = reason, code = code })
  local target = config.get "BASCULE_INSTALL_SUCCESS_URL"
  if target then
    return respond.redirect(target .. (target:find("?", 1, true) and "&" or "?") .. http.form { error = reason })
  elseif wants_page(request) then
    local advice = "Nothing was changed. Close this window and start the installation again."
    return respond.html(status, pages.page("The installation failed", { reason, advice }, false))
  end
  return respond.error(request, status, code, reason)
end

local function succeed(installation, locations)
  metrics.add("bascule_installs_total", "result=connected")
  log.info("installation connected", {
    company = installation.company,
    location = installation.location,
    locations = locations or 1,
  })
  local target = config.get "BASCULE_INSTALL_SUCCESS_URL"
  if target then
    return respond.redirect(target)
  end
  local what = "Location " .. installation.location .. " is connected."
  if installation.location == "" then
    local which = locations and ("%d location%s"):format(locations, locations == 1 and "" or "s")
    what = ("Company %s is connected, with %s."):format(installation.company, which or "its locations to follow")
  end
  return respond.html(200, pages.page("Bascule is connected", { what, "You can close this window." }, true))
end

---@param request host.Request
---@return bascule.Answer
function oauth.install(request)
  if not config.get "GHL_CLIENT_ID" or not config.get "GHL_CLIENT_SECRET" then
    return fail(request, 503, "not_configured", "GHL_CLIENT_ID and GHL_CLIENT_SECRET are not set.")
  end
  local state, redirect_uri = crypto.token(24), base_url(request) .. ghl_oauth.callback_path
  local ok, why, name = store.state_put(state, { redirect_uri = redirect_uri }, state_ttl_ms)
  if not ok then
    log.error("install state not kept", { reason = failure.words(why, name) })
    return respond.later(request, "busy", "The store is busy; try again.", 5)
  end
  return respond.redirect(ghl_oauth.authorize_url(crypto.stamp(state), redirect_uri))
end

-- What was kept with the state: {} where there is none and none is needed; else nil and why not.
local function take_state(stamped)
  if not stamped or stamped == "" then
    if config.get "BASCULE_INSTALL_STATE_POLICY" == "require" then
      return nil, "The installation has no state: start it at /install."
    end
    log.info("installation without a state", { policy = "accept" })
    return {}
  end
  local state = crypto.unstamp(stamped)
  if not state then
    return nil, "The state is not one of ours."
  end
  local kept, why, name = store.state_take(state)
  if kept then
    return kept
  elseif name == "NOT_FOUND" then
    return nil, "The state was used already, or is older than 15 minutes: start again at /install."
  end
  return nil, "The store is busy, try again: " .. failure.words(why, name)
end

local function connect(request, code, redirect_uri)
  local pair, fault = ghl_oauth.exchange(code, redirect_uri)
  if not pair then
    return fail(request, 500, "exchange_failed", fault.reason)
  end
  local installation, reason = tokens.connect(pair)
  if not installation then
    return fail(request, 500, "not_stored", "The tokens could not be stored: " .. reason)
  end
  local locations
  if installation.location == "" then
    locations = companies.enroll_locations(installation.company)
  end
  return succeed(installation, locations)
end

-- Anybody can make a link to a callback with words of his own: only a code's own explanation is shown, or its name.
local function not_approved(code)
  local name = #code <= 64 and code:match "^[%w_.-]+$"
  return errors.explain(code) or ("GHL did not approve the installation%s."):format(name and " (" .. name .. ")" or "")
end

-- The code and the state are good for one use: a HEAD, as scanners of links send it, must not spend them.
---@param request host.Request
---@return bascule.Answer
function oauth.callback(request)
  if request.method ~= "GET" then
    return respond.error(request, 405, "method_not_allowed", "A callback takes GET only.", { allow = "GET" })
  end
  local query = http.parse_form(request.query) or {}
  if query.error then
    return fail(request, 400, "refused", not_approved(query.error))
  elseif not query.code or query.code == "" then
    return fail(request, 400, "missing_code", "The callback has no code: start the installation at /install.")
  end
  local state, reason = take_state(query.state)
  if not state then
    return fail(request, 400, "invalid_state", reason)
  end
  return connect(request, query.code, state.redirect_uri or base_url(request) .. request.path)
end

return oauth
