-- What one side of a comparison remembers, as host.store would: bascule.memory reads from it and says what to write.
local remembered = {}

---@class commands.Remembered
---@field now integer the time of the message under way
---@field memory_read fun(message_id: string?, keys: table[]): table[]
---@field entries table<string, {count: integer, value: any, expires_ms: integer}>
local Remembered = {}
Remembered.__index = Remembered

---@return commands.Remembered
function remembered.new()
  local kept = setmetatable({ now = 0, entries = {} }, Remembered)
  function kept.memory_read(_, keys)
    local found = {}
    for i, key in ipairs(keys) do
      found[i] = kept:find(key)
    end
    return found
  end
  return kept
end

local function name_of(entry)
  return entry.scope .. "\0" .. entry.name .. "\0" .. entry.key
end

function Remembered:find(key)
  local entry = self.entries[name_of(key)]
  return entry and entry.expires_ms > self.now and entry or { count = 0 }
end

local function holds(self, effect)
  local entry = self:find(effect)
  if effect.op == "add" then
    return not effect.most or entry.count + (effect.by or 1) <= effect.most
  end
  return not effect.first or entry.value == nil
end

--- All of them, or none where a condition does not hold.
---@param effects? host.store.Effect[]
function Remembered:apply(effects)
  for _, effect in ipairs(effects or {}) do
    if not holds(self, effect) then
      return
    end
  end
  for _, effect in ipairs(effects or {}) do
    local before = self:find(effect)
    local entry = { count = before.count, value = before.value, expires_ms = effect.expires_ms }
    if effect.op == "add" then
      entry.count = before.count + (effect.by or 1)
    else
      entry.value = effect.op == "set" and effect.value or nil
    end
    self.entries[name_of(effect)] = entry
  end
end

return remembered
