-- One-time passwords only: a text without a code is refused, one with a code goes at any hour, in one part of the cheap
-- alphabet, so that it arrives whole.
local phone, text = require "bascule.phone", require "bascule.text"

--- A code is four to eight digits that stand alone.
local function has_code(body)
  for digits in body:gmatch "%f[%w](%d+)%f[%W]" do
    if #digits >= 4 and #digits <= 8 then
      return true
    end
  end
  return false
end

return {
  locations = { "otpLocation000000001" },
  outbound = function(message, context)
    if not has_code(message.body) then
      return context.reject "only one-time passwords are sent from here, and this text has no code"
    elseif not phone.is_mobile(message.to, "PH") then
      return context.reject(message.to .. " cannot receive SMS")
    end
    local body = text.fold(message.body)
    if text.segments(body).parts > 1 then
      return context.reject "a one-time password must fit in one part"
    end
    message.body, message.sender = body, "OTP"
    return message
  end,
}
