-- The host's errors are "NAME: text for a person"; what people read does not begin with the name.
local failure = {}

--- The text without its leading name.
---@param text string?
---@param name? string
---@return string
function failure.words(text, name)
  text = text or "unknown failure"
  if name and text:sub(1, #name + 2) == name .. ": " then
    return text:sub(#name + 3)
  end
  return text
end

return failure
