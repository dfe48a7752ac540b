-- The modules of the rules' library that ask for memory, chance or replies.
local testing = require "bascule.testing"
local caps, dedupe, hash = require "bascule.caps", require "bascule.dedupe", require "bascule.hash"
local phone, routing = require "bascule.phone", require "bascule.routing"
local template, words = require "bascule.template", require "bascule.words"

local memory <const> = {
  today = { kind = "counter", per = "contact", window = "day" },
  kept = { kind = "value", per = "contact", ttl = "1h" },
}

local function context_of(fields)
  return testing.context(fields, { memory = memory })
end

local function effects(context)
  return testing.recorded(context).memory
end

describe("hash", function()
  it("gives the same number for the same text only", function()
    assert.are.equal(hash.of "Kumusta", hash.of "Kumusta")
    assert.are_not.equal(hash.of "Kumusta", hash.of "kumusta")
    assert.are_not.equal(hash.of "", hash.of "\0")
    assert.is_true(hash.of(("a"):rep(1000)) < 1 << 48)
  end)

  it("shares evenly, and each decision for itself", function()
    local below, both = 0, 0
    for seed = 1, 2000 do
      local first, second = hash.share(seed, "first") < 0.5, hash.share(seed, "second") < 0.5
      below, both = below + (first and 1 or 0), both + (first and second and 1 or 0)
    end
    assert.is_true(below > 900 and below < 1100)
    assert.is_true(both > 420 and both < 580)
  end)
end)

describe("caps.take", function()
  it("counts while there is room, and asks the host to hold it", function()
    local context = context_of { memory = { today = { count = 2 } } }
    assert.are.same({ true, 3 }, { caps.take(context, "today", 3) })
    assert.are.same({ { name = "today", op = "add", by = 1, most = 3 } }, effects(context))
  end)

  it("counts nothing where there is none", function()
    local context = context_of { memory = { today = { count = 3 } } }
    assert.are.same({ false, 3 }, { caps.take(context, "today", 3) })
    assert.are.same({}, effects(context))
  end)

  it("takes more than one at once", function()
    assert.is_false((caps.take(context_of { memory = { today = { count = 2 } } }, "today", 3, { by = 2 })))
  end)

  it("names what is misspelt", function()
    assert.error_matches(function() caps.take(context_of {}, "tody", 3) end, "'tody' is no counter.*'today'")
    assert.error_matches(function() caps.take(context_of {}, "today", 3, { bye = 1 }) end, "did you mean 'by'%?")
  end)
end)

describe("dedupe.seen", function()
  local now = testing.time "2026-01-05T12:00:00+08:00"

  -- What the host would keep of a message at this time.
  local function send(body, id, at, value)
    local context = context_of { now = at, memory = { kept = { value = value } } }
    local message = testing.message { body = body, message_id = id }
    local seen = dedupe.seen(message, context, "kept", { within = "10m", keep = 3 })
    local effect = effects(context)[1]
    return seen, effect and effect.value
  end

  it("knows a text again within the time", function()
    local seen, value = send("Sale!", "m1", now)
    assert.is_false(seen)
    assert.is_true((send("Sale!", "m2", now + 599999, value)))
    assert.is_false((send("Sale!", "m2", now + 600000, value)))
    assert.is_false((send("Sale?", "m2", now + 1, value)))
  end)

  it("is no duplicate of itself", function()
    local _, value = send("Sale!", "m1", now)
    assert.is_false((send("Sale!", "m1", now + 1000, value)))
  end)

  it("keeps no text, and the last ones only", function()
    local value
    for i = 1, 5 do
      value = select(2, send("text " .. i, "m" .. i, now + i, value))
    end
    assert.are.equal(9, #value)
    assert.is_true((send("text 3", "m9", now + 9, value)))
    assert.is_false((send("text 2", "m9", now + 9, value)))
    for _, number in ipairs(value) do
      assert.are.equal("integer", math.type(number))
    end
  end)

  it("names what is wrong", function()
    local message = testing.message()
    assert.error_matches(function() dedupe.seen(message, context_of {}, "kept") end, "option 'within' is missing")
    assert.error_matches(function() dedupe.seen(message, context_of {}, "kept", { within = "10" }) end, "no duration")
    assert.error_matches(function() dedupe.seen(message, context_of {}, "kpet", { within = "1h" }) end, "'kept'")
  end)
end)

describe("routing", function()
  it("chooses by weight, the same for a seed", function()
    local counts = { cast = 0, twilio = 0 }
    for seed = 1, 1000 do
      local choice = routing.weighted(context_of { seed = seed }, { cast = 3, twilio = 1, none = 0 })
      assert.are.equal(choice, routing.weighted(context_of { seed = seed }, { cast = 3, twilio = 1, none = 0 }))
      counts[choice] = counts[choice] + 1
    end
    assert.is_true(counts.cast > 680 and counts.cast < 820)
  end)

  it("orders all that have weight, the first by weight", function()
    local firsts = { a = 0, b = 0, c = 0 }
    for seed = 1, 1000 do
      local order = routing.order(context_of { seed = seed }, { a = 8, b = 1, c = 1, none = 0 })
      firsts[order[1]] = firsts[order[1]] + 1
      table.sort(order)
      assert.are.same({ "a", "b", "c" }, order)
    end
    assert.is_true(firsts.a > 740 and firsts.a < 860 and firsts.b > 50 and firsts.c > 50)
  end)

  it("stays with what it chose while that has weight", function()
    local context = context_of { seed = 1 }
    local choice = routing.sticky(context, "kept", { a = 1, b = 1 })
    assert.are.same({ { name = "kept", op = "set", value = choice } }, effects(context))
    for seed = 1, 20 do
      local later = context_of { seed = seed, memory = { kept = { value = "b" } } }
      assert.are.equal("b", routing.sticky(later, "kept", { a = 99, b = 1 }))
      assert.are.same({}, effects(later))
    end
    local moved = context_of { memory = { kept = { value = "b" } } }
    assert.are.equal("a", routing.sticky(moved, "kept", { a = 1 }))
    assert.are.equal("a", effects(moved)[1].value)
  end)

  it("begins the time anew where it is told to", function()
    local context = context_of { memory = { kept = { value = "b" } } }
    routing.sticky(context, "kept", { b = 1 }, { renew = true })
    assert.are.equal(1, #effects(context))
  end)

  it("keeps the way of an inbound message, and follows it", function()
    local context = context_of {}
    routing.keep(testing.inbound { to = "ACME2", provider = "twilio" }, context, "kept")
    local way = effects(context)[1].value
    local message = testing.message { sender = "ACME1" }
    assert.is_true(routing.follow(message, context_of { memory = { kept = { value = way } } }, "kept"))
    assert.are.same({ "ACME2", "twilio" }, { message.sender, message.provider })
  end)

  it("follows nothing where nothing is kept", function()
    local message = testing.message { sender = "ACME1" }
    assert.is_false(routing.follow(message, context_of {}, "kept"))
    assert.are.equal("ACME1", message.sender)
  end)

  it("takes the longest prefix", function()
    local values = { ["+63917"] = "globe", ["+63"] = "ph", [""] = "rest" }
    assert.are.equal("globe", routing.prefix("+639171234567", values))
    assert.are.equal("ph", routing.prefix("+639201234567", values))
    assert.are.equal("rest", routing.prefix("+12125550123", values))
    assert.is_nil(routing.prefix("+12125550123", { ["+63"] = 1 }))
  end)

  it("names what is wrong", function()
    assert.error_matches(function() routing.weighted(context_of {}, { a = 0 }) end, "one of them above 0")
    assert.error_matches(function() routing.weighted(context_of {}, { a = "1" }) end, "numbers by name")
    assert.error_matches(function() routing.sticky(context_of {}, "today", { a = 1 }) end, "'today' is no value")
    assert.error_matches(function() routing.sticky(context_of {}, "kept", { a = 1 }, { rnew = true }) end, "'renew'")
  end)
end)

describe("template.render", function()
  local values = { contact = { first_name = "Ana", last_name = "", custom = { f1 = "gold" } }, code = 1234 }

  local rows = {
    { "Hi {{contact.first_name}}", "Hi Ana" },
    { "{{ code }}{{code}}", "12341234" },
    { "Hi {{contact.last_name|there}}!", "Hi there!" },
    { "Hi {{contact.city|}}!", "Hi !" },
    { "{{contact.custom.f1}} {{contact.custom.f2|none}}", "gold none" },
    { "{ } {code} }}", "{ } {code} }}" },
    { "", "" },
  }
  for _, row in ipairs(rows) do
    it("fills " .. row[1], function()
      assert.are.equal(row[2], template.render(row[1], values))
    end)
  end

  it("has defaults where there is no contact", function()
    assert.are.equal("Hi there", template.render("Hi {{contact.first_name|there}}", {}))
  end)

  it("does not look for fields in what it filled in", function()
    assert.are.equal("{{code}}", template.render("{{contact.first_name}}", { contact = { first_name = "{{code}}" } }))
  end)

  local faults = {
    { "{{contact.fist_name|there}}", "{{contact.fist_name}} is no field.*'first_name'%?" },
    { "{{cod}}", "{{cod}} is no value that was given; did you mean 'code'%?" },
    { "{{contact.city}}", "{{contact.city}} has no value, and no default" },
    { "{{contact.custom}}", "is a table, not a text" },
    { "{{code.length}}", "cannot be: code is a number" },
    { "{{os.exit()}}", "is no field such as" },
    { "Hi {{code", "never closed" },
  }
  for _, row in ipairs(faults) do
    it("refuses " .. row[1], function()
      assert.error_matches(function() template.render(row[1], values) end, row[2])
    end)
  end

  it("points at the line of the rule", function()
    local _, reason = pcall(function() template.render("{{cod}}", values) end)
    assert.matches("^tests/host/library_spec.lua:%d+: template: ", reason)
  end)

  it("is bounded", function()
    assert.error_matches(function()
      template.render(("{{long}}"):rep(20), { long = ("a"):rep(1000) })
    end, "longer than 10000 bytes")
  end)
end)

describe("words.match", function()
  local rows = {
    { "STOP", "stop" },
    { " stop. ", "stop" },
    { "Stop All", "stop" },
    { "opt-out!", "stop" },
    { "“Unsubscribe”", nil },
    { "hinto", "stop" },
    { "arrêt", "stop" },
    { "Start", "start" },
    { "yes", "start" },
    { "Help?", "help" },
    { "Please stop", nil },
    { "stopover", nil },
    { "", nil },
    { "!?", nil },
    { ("stop "):rep(50), nil },
  }
  for _, row in ipairs(rows) do
    it(("takes %q for %s"):format(row[1], tostring(row[2])), function()
      assert.are.equal(row[2], words.match(row[1]))
    end)
  end

  it("takes further words, and leaves out usual ones", function()
    assert.are.equal("stop", words.match("alis", { stop = { "ALIS NA", "Alis" } }))
    assert.is_nil(words.match("Yes", { without = { "yes", "end" } }))
    assert.are.equal("start", words.match("start", { without = { "yes" } }))
  end)

  it("names what is misspelt", function()
    assert.error_matches(function() words.match("a", { stops = {} }) end, "did you mean 'stop'%?")
  end)
end)

describe("words.handle", function()
  local replies = { stop = "Bye", start = "Welcome back" }

  local function handle(body)
    local context = context_of {}
    local kind = words.handle(testing.inbound { body = body }, context, { replies = replies, remember = "kept" })
    return kind, testing.recorded(context)
  end

  it("sets do-not-disturb, answers and remembers", function()
    local kind, record = handle "Stop"
    assert.are.same({ "stop", true, "Bye" }, { kind, record.dnd, record.reply })
    assert.are.same({ { name = "kept", op = "set", value = true } }, record.memory)
  end)

  it("takes it back", function()
    local kind, record = handle "Start"
    assert.are.same({ "start", false, "Welcome back" }, { kind, record.dnd, record.reply })
    assert.are.same({ { name = "kept", op = "forget" } }, record.memory)
  end)

  it("leaves other messages and missing replies alone", function()
    local kind, record = handle "How much?"
    assert.are.same({}, { kind, record.dnd, record.reply })
    kind, record = handle "HELP"
    assert.are.same({ "help" }, { kind, record.dnd, record.reply })
  end)

  it("names what is misspelt", function()
    assert.error_matches(function()
      words.handle(testing.inbound(), context_of {}, { replies = { stp = "Bye" } })
    end, "words.handle's replies: unknown option 'stp'; did you mean 'stop'%?")
  end)
end)

describe("phone.region", function()
  it("is the number's country", function()
    assert.are.equal("PH", phone.region "+639171234567")
    assert.are.equal("CA", phone.region("613 555 0123", "US"))
    assert.is_nil(phone.region "GCASH")
  end)
end)
