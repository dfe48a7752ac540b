-- Pairs of decisions over the same messages, grouped by what changed.
local differences = require "commands.differences"
local show = require "commands.show"

local comparison = {}

---@class commands.Outcome a decision, or { action = "fail", reason = "file:line: what" }

---@class commands.Comparison
---@field messages integer
---@field changes integer messages whose outcome is another
---@field failures integer of these, that fail now and did not before
local Comparison = {}
Comparison.__index = Comparison

---@param examples integer of each group
---@return commands.Comparison
function comparison.new(examples)
  return setmetatable({ messages = 0, changes = 0, failures = 0, groups = {}, examples = examples }, Comparison)
end

-- ---- what changed

-- Numbers (of telephones, of messages) differ from message to message: they make no group of their own.
local function reason_class(reason)
  return reason and (reason:gsub("%+?%d+", "#")) or ""
end

-- "agencies/acme/rules.lua:12" and "what" of "agencies/acme/rules.lua:12: what".
local function split_failure(reason)
  local place, what = reason:match "^(%S-:%d+): (.*)$"
  return place, what or reason
end

local function label_of(outcome)
  if outcome.action == "fail" then
    local place, what = split_failure(outcome.reason)
    return "failure: " .. (place or reason_class(what))
  elseif outcome.reason then
    return outcome.action .. ": " .. reason_class(outcome.reason)
  end
  return outcome.action
end

local function kind_of_action(outcome)
  return outcome.action == "fail" and "failure" or outcome.action
end

-- Fields that decide what happens, of outcomes of the same action.
local parts <const> = { "providers", "parts", "memory", "until_ms" }

-- A failure is the same wherever its line has moved to.
local function same_failure(before, after)
  local _, old = split_failure(before.reason)
  local _, new = split_failure(after.reason)
  if reason_class(old) ~= reason_class(new) then
    return ("%s -> %s"):format(label_of(before), label_of(after))
  end
end

local function same_action(before, after)
  local changed = {}
  for _, change in ipairs(differences.fields(before.message or {}, after.message or {})) do
    changed[#changed + 1] = change.name
  end
  for _, name in ipairs(parts) do
    if not differences.same(before[name], after[name]) then
      changed[#changed + 1] = name == "until_ms" and "time" or name
    end
  end
  local sorted = #changed > 0 and table.concat(changed, ", ") .. " changed" or nil
  if before.reason ~= after.reason and label_of(before) ~= label_of(after) then
    return ("%s -> %s"):format(label_of(before), label_of(after))
  end
  return sorted and before.action ~= "send" and before.action .. ": " .. sorted or sorted
end

-- Kind and label of the group; nil where nothing changed.
local function classify(before, after)
  if before.action == after.action then
    local label = (before.action == "fail" and same_failure or same_action)(before, after)
    return label and "changed", label
  elseif after.action == "fail" then
    return "failure", ("%s -> new %s"):format(kind_of_action(before), label_of(after))
  elseif before.action == "fail" then
    return "mended", ("failure -> %s"):format(label_of(after))
  end
  return "action", ("%s -> %s"):format(before.action, label_of(after))
end

-- ---- examples

local plain <const> = { sender = true, provider = true, reference = true, type = true }

-- What may be a person's text or number is told by its length.
local function discreet(name, value)
  if type(value) == "table" then
    return "{...}"
  elseif type(value) ~= "string" or plain[name] then
    return show.value(value)
  end
  return show.count(utf8.len(value) or #value, "character")
end

local function field_texts(before, after, with_text)
  local texts = {}
  for _, change in ipairs(differences.fields(before, after)) do
    local from, to = show.value(change.before), show.value(change.after)
    if not with_text then
      from, to = discreet(change.name, change.before), discreet(change.name, change.after)
    end
    texts[#texts + 1] = ("%s %s -> %s"):format(change.name, from, to)
  end
  return texts
end

local function told(outcome, with_text)
  if not outcome.reason then
    return outcome.action
  end
  local place, what = split_failure(outcome.reason)
  local discreet_reason = (place and place .. ": " or "") .. reason_class(what)
  return kind_of_action(outcome) .. ": " .. (with_text and outcome.reason or discreet_reason)
end

local function example_text(example, with_text)
  local before, after = example.before, example.after
  local texts = {}
  if before.action == after.action then
    texts = field_texts(before.message or {}, after.message or {}, with_text)
  end
  if #texts == 0 then
    texts[1] = ("%s -> %s"):format(told(before, with_text), told(after, with_text))
  end
  return table.concat(texts, "; ")
end

-- ----

local function group_of(self, kind, label)
  local group = self.groups[label]
  if not group then
    group = { kind = kind, label = label, count = 0, examples = {} }
    self.groups[label] = group
  end
  return group
end

---@param message bascule.Message
---@param before commands.Outcome
---@param after commands.Outcome
function Comparison:add(message, before, after)
  local kind, label = classify(before, after)
  self.messages = self.messages + 1
  self.changes = self.changes + (kind and 1 or 0)
  self.failures = self.failures + (kind == "failure" and 1 or 0)
  local group = group_of(self, kind or "unchanged", label or "unchanged")
  group.count = group.count + 1
  if kind and #group.examples < self.examples then
    group.examples[#group.examples + 1] = { id = message.id, before = before, after = after }
  end
end

local order <const> = { failure = 1, action = 2, changed = 3, mended = 4, unchanged = 5 }

--- The groups, failures first, then the largest. `with_text`: examples show texts and numbers, not their lengths.
---@param with_text? boolean
---@return {kind:string, label:string, count:integer, examples:{id:string, text:string}[]}[]
function Comparison:list(with_text)
  local groups = {}
  for _, group in pairs(self.groups) do
    local examples = {}
    for i, example in ipairs(group.examples) do
      examples[i] = { id = example.id, text = example_text(example, with_text) }
    end
    groups[#groups + 1] = { kind = group.kind, label = group.label, count = group.count, examples = examples }
  end
  table.sort(groups, function(a, b)
    if order[a.kind] ~= order[b.kind] then
      return order[a.kind] < order[b.kind]
    elseif a.count ~= b.count then
      return a.count > b.count
    end
    return a.label < b.label
  end)
  return groups
end

return comparison
