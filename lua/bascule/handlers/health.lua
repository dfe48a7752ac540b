-- The process: is it there, may it have traffic, and what has it counted.
local cache = require "host.cache"
local config = require "host.config"
local metrics = require "host.metrics"
local queue = require "host.queue"
local respond = require "bascule.respond"
local store = require "host.store"
local time = require "host.time"

local failure = require "bascule.failure"

local health = {}

local probe_kept_ms <const> = 500 -- a probe is a write: load balancers that ask often share one
local for_ever_ms <const> = 100 * 365 * 24 * 3600 * 1000

-- This module is loaded when the process starts and again with every reload; the cache outlives reloads.
if not cache.get "process:started" then
  cache.put("process:started", time.monotonic_ms(), for_ever_ms)
end

function health.health()
  local started = cache.get "process:started" or time.monotonic_ms()
  return respond.json(200, {
    status = "ok",
    version = config.version(),
    uptime = (time.monotonic_ms() - started) // 1000,
  })
end

function health.healthz()
  return respond.text(200, "ok\n")
end

-- "" where the store can commit, else the reason.
local function store_fault()
  local kept = cache.get "process:probe"
  if kept then
    return kept
  end
  local ok, why, name = store.probe()
  local fault = ok and "" or failure.words(why, name)
  cache.put("process:probe", fault, probe_kept_ms)
  return fault
end

function health.readyz(request)
  if not queue.accepts() then
    return respond.error(request, 503, "not_ready", "Draining, or too many messages wait.")
  end
  local fault = store_fault()
  if fault ~= "" then
    return respond.error(request, 503, "not_ready", "The store cannot commit: " .. fault)
  end
  return respond.text(200, "ready\n")
end

function health.metrics()
  return respond.text(200, metrics.text(), "text/plain; version=0.0.4; charset=utf-8")
end

return health
