-- Philippine networks refuse texts with links, but for registered domains: those stay, without the tracking behind "?",
-- and others are taken out.
local own <const> = { ["acme.example"] = true, ["www.acme.example"] = true }

local function clean(link)
  local host = link:match "^https?://([%w.-]+)"
  if host and own[host:lower()] then
    return (link:gsub("%?[^#]*", ""))
  end
  return ""
end

return {
  locations = { "recipeLinks0000000001" },
  outbound = function(message, context)
    local body = message.body:gsub("https?://[^%s]+", clean)
    body = body:gsub("  +", " "):gsub("%s+$", "")
    if body == "" then
      return context.reject "the text is nothing but a link that networks refuse"
    end
    message.body = body
    return message
  end,
  tests = {
    ["keeps its own links, without tracking"] = function(t)
      local body = "Pay at https://acme.example/pay?utm_source=x&id=7#now please"
      t.equal(t.outbound({ body = body }).message.body, "Pay at https://acme.example/pay#now please")
    end,
    ["takes others out"] = function(t)
      t.equal(t.outbound({ body = "See http://bit.ly/x today" }).message.body, "See today")
    end,
  },
}
