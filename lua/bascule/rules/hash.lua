-- Numbers from texts, and chance from a message's seed: the same each time, so that a retry decides as the first
-- attempt did.
--
--   hash.of "Kumusta"                         -->  a whole number, 0 to 2^48 - 1
--   hash.share(context.seed, "greeting")      -->  0 <= share < 1, another one for each name
--
-- Not for secrets: who wants two texts with the same number can make them.
---@meta bascule.hash
local hash = {}

-- Mixing after splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
local function mix(value)
  value = (value ~ (value >> 30)) * 0xBF58476D1CE4E5B9
  value = (value ~ (value >> 27)) * 0x94D049BB133111EB
  return value ~ (value >> 31)
end

local function of(text)
  local value = #text
  local whole = #text // 8 * 8
  for i = 1, whole, 8 do
    value = mix(value ~ string.unpack("<i8", text, i)) + 0x9E3779B97F4A7C15
  end
  for i = whole + 1, #text do
    value = mix(value ~ text:byte(i)) + 0x9E3779B97F4A7C15
  end
  return mix(value)
end

--- A number that stands for the text, 0 to 2^48 - 1.
---@param text string
---@return integer
function hash.of(text)
  if type(text) ~= "string" then
    error("hash.of: the text is a " .. type(text), 2)
  end
  return of(text) >> 16
end

--- A number from 0 to below 1 for this seed and name: what is random from message to message, and the same for one.
---@param seed integer context.seed
---@param name string of the decision
---@return number
function hash.share(seed, name)
  if math.type(seed) ~= "integer" or type(name) ~= "string" then
    error("hash.share: it takes context.seed and a name", 2)
  end
  return (mix(seed ~ of(name)) >> 11) / (1 << 53)
end

return hash
