-- Answers: tables {status, headers, body} as the host sends them, and the one shape of errors.
local json = require "host.json"

---@class bascule.Answer
---@field status integer
---@field headers table<string,string>
---@field body string

local respond = {}

-- Shared by every JSON answer that needs no header of its own; nobody writes to them. What is read by GET may be
-- personal, and is old at once.
local json_type <const> = "application/json"
local json_headers <const> = { ["content-type"] = json_type }
local fresh_headers <const> = { ["content-type"] = json_type, ["cache-control"] = "no-store" }

--- The answer to a webhook, whose POST no cache keeps.
---@param status integer
---@param text string JSON, encoded already
---@return bascule.Answer
function respond.json_text(status, text)
  return { status = status, headers = json_headers, body = text }
end

---@param status integer
---@param value table
---@param headers? table<string,string>
---@return bascule.Answer
function respond.json(status, value, headers)
  if headers then
    headers["content-type"], headers["cache-control"] = json_type, "no-store"
  end
  return { status = status, headers = headers or fresh_headers, body = assert(json.encode(value)) }
end

---@param status integer
---@param body string
---@return bascule.Answer
function respond.text(status, body, content_type)
  return { status = status, headers = { ["content-type"] = content_type or "text/plain; charset=utf-8" }, body = body }
end

--- A page for people: never cached, never framed, and without a way to run a script.
---@param status integer
---@param body string
---@return bascule.Answer
function respond.html(status, body)
  return {
    status = status,
    headers = {
      ["content-type"] = "text/html; charset=utf-8",
      ["cache-control"] = "no-store",
      ["content-security-policy"] = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      ["referrer-policy"] = "no-referrer",
      ["x-content-type-options"] = "nosniff",
    },
    body = body,
  }
end

---@param url string
---@return bascule.Answer
function respond.redirect(url)
  return { status = 302, headers = { location = url, ["cache-control"] = "no-store" }, body = "" }
end

---@param request host.Request
---@param status integer
---@param code string stable, for programs
---@param message string a sentence, for people
---@param headers? table<string,string>
---@return bascule.Answer
function respond.error(request, status, code, message, headers)
  return respond.json(status, { error = { code = code, message = message, request_id = request.id } }, headers)
end

--- 429 with Retry-After: the one status that every edition of GHL's retry rule repeats.
---@param request host.Request
---@param code string
---@param message string
---@param seconds integer
---@return bascule.Answer
function respond.later(request, code, message, seconds)
  return respond.error(request, 429, code, message, { ["retry-after"] = tostring(seconds) })
end

return respond
