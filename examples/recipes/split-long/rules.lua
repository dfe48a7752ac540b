-- A long text goes as several numbered messages of one part each, cut between words; at most four.
local text = require "bascule.text"

return {
  locations = { "recipeSplitLong000001" },
  outbound = function(message, context)
    local texts = text.split(text.fold(message.body), { numbered = "(%d/%d) ", most = 4 })
    if #texts == 1 then
      message.body = texts[1]
      return message
    end
    return context.split(texts)
  end,
  tests = {
    ["sends a short text as it is"] = function(t)
      t.equal(t.outbound({ body = "Kumusta" }).message.body, "Kumusta")
    end,
    ["numbers the parts of a long one"] = function(t)
      local parts = t.outbound({ body = ("Kumusta "):rep(40) }).parts
      t.equal(#parts, 3)
      t.equal(parts[1].body:sub(1, 14), "(1/3) Kumusta ")
    end,
  },
}
