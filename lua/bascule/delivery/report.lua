-- Tells GHL what became of a message, as the agency's rules want it told.
local http = require "host.http"

local client = require "bascule.ghl.client"
local location_settings = require "bascule.settings"
local rule = require "bascule.delivery.rule"

local early_first_ms <const> = 2000
local early_most_ms <const> = 30000
local no_token_ms <const> = 60 * 1000
local busy_ms <const> = 1000

local function retry(fault, retry_after_ms, uncounted)
  return { outcome = "retry", reason = fault.reason, retry_after_ms = retry_after_ms, uncounted = uncounted }
end

local function early_wait(attempts)
  return math.min(early_most_ms, early_first_ms << math.min(attempts, 10))
end

-- The queue bounds the tries, and by the message's age also those that do not count.
local function outcome_of(message, fault)
  local name = fault.name
  if name == "REMOVED" then
    return { outcome = "given_up", reason = fault.reason }
  elseif name == "NOT_CONNECTED" or name == "INVALID" then
    return retry(fault, no_token_ms, true)
  elseif name == "CLOSED" then
    return retry(fault, fault.retry_after_ms or early_most_ms, true)
  elseif name == "EARLY" then
    return retry(fault, early_wait(message.report_attempts))
  elseif name == "RETRYABLE" or fault.status == 401 or fault.status == 403 then
    return retry(fault, fault.retry_after_ms)
  end
  return { outcome = "given_up", reason = fault.reason }
end

local function body_of(report)
  return { status = report.status, error = report.status == "failed" and report.error or nil }
end

-- What GHL is told: nil, with the report's end, where a rule withholds it or cannot be asked now. A rule that fails
-- does not hide the status.
---@return table? told, bascule.Report|table report_or_event
local function ask(message)
  local known = { status = message.report_status, error = message.report_error }
  if not rule.has_report(message) then
    return body_of(known), {}
  end
  local settings, reason = location_settings.of(message.location)
  if not settings then
    return nil, retry({ reason = reason }, busy_ms, true)
  end
  local decision, event, name = rule.report(message, settings)
  if name == "UNAVAILABLE" then
    return nil, retry({ reason = event }, busy_ms, true)
  elseif not decision then
    return body_of(known), { rule_error = event }
  elseif decision.action == "reject" then
    return nil, { outcome = "withheld", reason = event.reason, event = event }
  end
  return body_of(decision.message), event
end

---@param message bascule.Message
---@return bascule.Report
return function(message)
  local told, event = ask(message)
  if not told then
    return event
  end
  local answer, fault = client.request {
    method = "PUT",
    path = "/conversations/messages/" .. http.escape(message.external_id) .. "/status",
    location = message.location,
    company = message.company,
    body = told,
  }
  local report = answer and { outcome = "reported" } or outcome_of(message, fault)
  event.told = told.status ~= message.report_status and told.status or nil
  event.trace_id = answer and answer.trace_id or fault and fault.trace_id
  event.answer = answer and answer.status or fault.status
  report.event = event
  return report
end
