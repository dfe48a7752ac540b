-- Keywords that customers text are answered at once, and marked at the front, where a GHL workflow ("customer replied,
-- contains [PRICE]") finds them however they were written.
local answers <const> = {
  PRICE = "A cut is 250, with colour 900. Book: https://acme.example/book",
  HOURS = "We are open Monday to Saturday, 9:00 to 18:00.",
}
local others <const> = { PRESYO = "PRICE", MAGKANO = "PRICE", ORAS = "HOURS", OPEN = "HOURS" }

return {
  locations = { "recipeKeywords0000001" },
  inbound = function(message, context)
    local word = message.body:upper():match "^%s*(%u+)%s*[%p]*%s*$"
    word = word and (others[word] or word)
    if word and answers[word] then
      message.body = ("[%s] %s"):format(word, message.body)
      context.reply(answers[word])
    end
    return message
  end,
  tests = {
    ["answers and marks a keyword"] = function(t)
      local decision = t.inbound { body = "magkano?" }
      t.equal(decision.message.body, "[PRICE] magkano?")
      t.equal(decision.reply, "A cut is 250, with colour 900. Book: https://acme.example/book")
    end,
  },
}
