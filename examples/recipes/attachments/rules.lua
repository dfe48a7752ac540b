-- A provider without MMS: attachments go as links under the text, three at most.
local most <const> = 3

return {
  locations = { "recipeAttachments0001" },
  outbound = function(message, context)
    local lines = { message.body ~= "" and message.body or nil }
    for i = 1, math.min(most, #message.attachments) do
      lines[#lines + 1] = message.attachments[i]
    end
    if #message.attachments > most then
      context.log(("%d attachments were left out"):format(#message.attachments - most))
    end
    message.body, message.attachments = table.concat(lines, "\n"), {}
    return message
  end,
  tests = {
    ["puts links under the text"] = function(t)
      local message = t.outbound({ body = "Look", attachments = { "https://files.example/a.png" } }).message
      t.equal(message.body, "Look\nhttps://files.example/a.png")
      t.equal(message.attachments, {})
    end,
  },
}
