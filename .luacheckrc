-- luacheck's configuration: every Lua file of the project is held to the same rules.
std = "lua54"
max_line_length = 120
files["tests/spec"] = { std = "+busted" }
files["examples/*/*/spec"] = { std = "+busted" }
exclude_files = { "lua/meta/*" } -- annotations only: definitions without bodies
