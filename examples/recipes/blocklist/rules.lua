-- Networks filter texts with some words, and senders lose their good name by them: such a text is refused.
local blocked <const> = { casino = true, jackpot = true, sabong = true, bingo = true, ["free load"] = true }

-- Words alone and in pairs, in lower case.
local function blocked_word(body)
  local before = ""
  for word in body:lower():gmatch "%w+" do
    local pair = before .. " " .. word
    if blocked[word] or blocked[pair] then
      return blocked[word] and word or pair
    end
    before = word
  end
  return nil
end

return {
  locations = { "recipeBlocklist000001" },
  outbound = function(message, context)
    local word = blocked_word(message.body)
    if word then
      return context.reject(("networks filter texts with '%s'"):format(word))
    end
    return message
  end,
  tests = {
    ["refuses a blocked word"] = function(t)
      t.equal(t.outbound({ body = "JACKPOT!!!" }).reason, "networks filter texts with 'jackpot'")
      t.equal(t.outbound({ body = "Get free load now" }).reason, "networks filter texts with 'free load'")
    end,
  },
}
