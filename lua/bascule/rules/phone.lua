-- Telephone numbers for rules: read as people write them, returned in one form.
--
--   phone.national("+63 917 123 4567", "PH")  -->  "09171234567"
--   phone.e164("0917-123-4567", "PH")         -->  "+639171234567"
--
-- The region is the ISO country of numbers without a country code. national() and e164() raise where the text is no
-- number, so that the message is rejected with that reason; parse() returns nil and the reason.
---@meta bascule.phone
local host_phone = require "host.phone"

local phone = {}

---@class bascule.phone.Number
---@field e164 string "+639171234567"
---@field national string digits as dialled inside the country: "09171234567"
---@field region string "PH"; "" where the numbering plan spans several
---@field mobile boolean may receive SMS
---@field valid boolean within the known numbering plan; plans age, so false is only a hint

--- What the text says of a number; nil with the reason where it is none.
---@param text string
---@param region? string ISO country of numbers without a country code: "PH"
---@return bascule.phone.Number? number, string? reason
function phone.parse(text, region)
  if type(text) ~= "string" then
    return nil, "a number must be text, not " .. type(text)
  end
  local number, reason = host_phone.parse(text, region)
  if not number then
    return nil, (reason:gsub("^INVALID: ", ""))
  end
  return number
end

local function form(name, text, region)
  local number, reason = phone.parse(text, region)
  if not number then
    error(("phone.%s: %s: %s"):format(name, tostring(text), reason), 3)
  end
  return number[name]
end

--- As it is dialled inside its country: "09171234567". Raises where the text is no number.
---@param text string
---@param region? string
---@return string
function phone.national(text, region)
  return (form("national", text, region))
end

--- "+639171234567". Raises where the text is no number.
---@param text string
---@param region? string
---@return string
function phone.e164(text, region)
  return (form("e164", text, region))
end

--- Whether SMS can reach it: false for landlines and for what is no number.
---@param text string
---@param region? string
---@return boolean
function phone.is_mobile(text, region)
  local number = phone.parse(text, region)
  return number ~= nil and number.mobile
end

--- The country of the number ("PH"; "" where the numbering plan spans several), or nil for what is no number.
---@param text string
---@param region? string
---@return string?
function phone.region(text, region)
  local number = phone.parse(text, region)
  return number and number.region
end

return phone
