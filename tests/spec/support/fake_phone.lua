-- host.phone for specs under plain Lua: Philippine numbers, and E.164 of a few countries. The host's own parser is
-- libphonenumber.
local phone = {}

local countries <const> = {
  { code = "1", region = "US", length = 10, trunk = "", mobile = "^[2-9]" },
  { code = "44", region = "GB", length = 10, trunk = "0", mobile = "^7" },
  { code = "63", region = "PH", length = 10, trunk = "0", mobile = "^[89]" },
  { code = "65", region = "SG", length = 8, trunk = "", mobile = "^[89]" },
}

local function by(field, value)
  for _, country in ipairs(countries) do
    if country[field] == value then
      return country
    end
  end
end

local function invalid(reason)
  return nil, "INVALID: " .. reason, "INVALID"
end

-- Digits with their country code, or nil and why not.
local function international(digits, plus, region)
  local country = region and by("region", region)
  if plus then
    return digits
  elseif digits:sub(1, 2) == "00" then
    return digits:sub(3)
  elseif not country then
    return nil, "no country code, and no default country to take it from"
  elseif #digits == #country.code + country.length and digits:sub(1, #country.code) == country.code then
    return digits
  end
  return country.code .. digits:gsub("^0", "")
end

function phone.parse(text, region)
  local digits = text:gsub("%(0%)", ""):gsub("[^%d]", "")
  if digits == "" or text:find "%a" then
    return invalid "not a telephone number"
  end
  local whole, reason = international(digits, text:find "^%s*%+" ~= nil, region)
  if not whole then
    return invalid(reason)
  end
  for length = 1, 2 do
    local country = by("code", whole:sub(1, length))
    if country then
      local rest = whole:sub(length + 1):gsub("^0", "")
      local is_landline = country.region == "PH" and (#rest == 9 or #rest == 10 and rest:find "^2")
      if #rest ~= country.length and not is_landline then
        return invalid "the wrong number of digits for its country"
      end
      return {
        e164 = "+" .. country.code .. rest,
        national = country.trunk .. rest,
        region = country.region,
        mobile = not is_landline and rest:find(country.mobile) ~= nil,
        valid = true,
      }
    end
  end
  return { e164 = "+" .. whole, national = whole, region = "", mobile = false, valid = false }
end

return phone
