-- What the commands that are written in Lua share: how they refuse what makes no sense, read files, find agencies, end.
local show = require "commands.show"
local suggest = require "bascule.suggest"

local program = {}

local status_usage <const> = 2

--- Ends the command with status 2.
---@param why string with string.format's directives
function program.usage(why, ...)
  error({ usage = why:format(...) }, 0)
end

--- Runs a command; returns the status that `run` returns, or 2 where it refused or failed by a fault of its own.
---@param name string "diff"
---@param run fun(): integer
---@return integer status
function program.run(name, run)
  local ok, result = xpcall(run, function(why)
    return type(why) == "table" and why.usage or debug.traceback(why)
  end)
  return ok and result or show.fail(name, status_usage, "%s", result)
end

--- An error of the host without its leading name ("BROKEN: ...").
---@param why any
---@return string
function program.words(why)
  return (tostring(why):gsub("^%u[%u_]*: ", ""))
end

--- The whole file; "-" is standard input.
---@param path string
---@return string
function program.read(path)
  local file, why = io.stdin, nil
  if path ~= "-" then
    file, why = io.open(path, "rb")
  end
  local text
  if file then
    text, why = file:read "a"
  end
  if file and path ~= "-" then
    file:close()
  end
  return text or program.usage("%s", why)
end

---@param rules host.dryrun.Rules
---@return string[]
function program.slugs(rules)
  local list = {}
  for i, agency in ipairs(rules:agencies()) do
    list[i] = agency.slug
  end
  return list
end

--- Returns `wanted` where it is one of the slugs; else refuses, as a sentence that begins with `where`.
---@param slugs string[]
---@param wanted string
---@param where? string "there is no" where it is left out
---@return string
function program.find_slug(slugs, wanted, where)
  for _, slug in ipairs(slugs) do
    if slug == wanted then
      return slug
    end
  end
  return program.usage("%s agency '%s'%s", where or "there is no", wanted, suggest.hint(wanted, slugs))
end

return program
