-- The simulator on the fake host: its modules loaded afresh, and a way to call it.
--
--   local sim = require("support.simulator").start { ["rate-limit"] = "5" }   -- options of the command line
--   local answer = sim.call("POST", "/simulate/send", { json = {...} })       -- answer.json is its body, decoded
--   sim.host                                                                  -- the fake host: requests, clock, ...
local fake_host = require "support.fake_host"

local simulator = {}

local function forget()
  for name in pairs(package.loaded) do
    if name:find "^simulator%." then
      package.loaded[name] = nil
    end
  end
end

--- What only the simulator asks of the host.
local function extend(options)
  local config, crypto = require "host.config", require "host.crypto"
  function config.arguments()
    return options or {}
  end
  function crypto.base64(data)
    return (data:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
  end
  function crypto.ed25519_sign(seed, body)
    return ("signed by %s: %s"):format(seed:sub(1, 2), body)
  end
  function crypto.ed25519_public_pem(seed)
    return "PEM of " .. seed:sub(1, 2)
  end
end

--- Only the fakes, for specs of single modules. Webhooks are answered 200 "queued".
---@param options table<string,string>?
---@return table host
function simulator.install(options)
  local host = fake_host.new()
  forget()
  extend(options)
  function host.on_request()
    return { status = 200, body = '{"status":"queued"}' }
  end
  return host
end

--- `more`: headers, and a body as `json`, `form` or `body`.
local function request_of(method, target, more)
  local headers, body = {}, more.body
  for name, value in pairs(more.headers or {}) do
    headers[name:lower()] = value
  end
  if more.json then
    headers["content-type"], body = "application/json", require("host.json").encode(more.json)
  elseif more.form then
    headers["content-type"], body = "application/x-www-form-urlencoded", require("host.http").form(more.form)
  end
  return fake_host.request(method, target, { headers = headers, body = body })
end

--- A simulator with a memory of its own.
---@param options table<string,string>?
function simulator.start(options)
  local host = simulator.install(options)
  local server, json = require "simulator.server", require "host.json"
  local sim = { host = host, json = json }
  function sim.call(method, target, more)
    local answer = server.handle(request_of(method, target, more or {}))
    return {
      status = answer.status, headers = answer.headers, body = answer.body,
      json = answer.body ~= "" and json.decode(answer.body) or nil,
    }
  end
  --- Lets the clock go on.
  function sim.wait(ms)
    host.clock.now = host.clock.now + ms
  end
  return sim
end

return simulator
