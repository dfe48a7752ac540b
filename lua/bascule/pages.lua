-- The few pages that people see in a browser.
local pages = {}

local entities <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

---@param text string
---@return string
function pages.escape(text)
  return (text:gsub("[&<>\"']", entities))
end

local frame <const> = [[
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  body { font: 17px/1.5 system-ui, sans-serif; max-width: 34em; margin: 12vh auto; padding: 0 1.2em; color: #1c2733 }
  h1 { font-size: 1.5em; border-left: .25em solid {accent}; padding-left: .6em }
  code { background: #eef1f4; padding: .1em .3em; border-radius: .2em }
  @media (prefers-color-scheme: dark) { body { background: #12181f; color: #dfe6ee } code { background: #243040 } }
</style>
</head>
<body>
<h1>{title}</h1>
{paragraphs}
</body>
</html>
]]

--- A page of a title and paragraphs, all plain text.
---@param title string
---@param paragraphs string[]
---@param good boolean
---@return string
function pages.page(title, paragraphs, good)
  local lines = {}
  for _, paragraph in ipairs(paragraphs) do
    lines[#lines + 1] = "<p>" .. pages.escape(paragraph) .. "</p>"
  end
  local parts = {
    title = pages.escape(title),
    accent = good and "#2a9d5c" or "#c8452f",
    paragraphs = table.concat(lines, "\n"),
  }
  return (frame:gsub("{(%w+)}", parts))
end

return pages
