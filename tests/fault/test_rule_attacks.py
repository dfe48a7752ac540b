"""A server that hosts a hostile agency beside a good one: what the one tries costs its own messages and nothing else."""

import threading

from support.programs import LOCATION, eventually, payload

HOSTILE = "hostileLocation00001"

# By the text of the message that sets them off: the rule, and what its rejection says.
ATTACKS = {
    "loop": ("while true do end", "ran more than 300000 instructions"),
    "pcall": ("while true do pcall(function() while true do end end) end", "ran more than 300000 instructions"),
    "coroutine": ("coroutine.wrap(function() while true do end end)()", "ran more than 300000 instructions"),
    "close": ("coroutine.wrap(function() local x <close> = setmetatable({}, { __close = function() while true do end end })"
              " while true do end end)()", "ran more than 300000 instructions"),
    "pattern": ('string.find(("a"):rep(300), ".-.-.-.-b")', "instructions"),
    "move": ("table.move({}, 1, 1e9, 2)", "rules.lua"),
    "memory": ("local s = 'x' while true do s = s .. s end", "used more than 8388608 bytes of memory"),
    "table": ("local t = {} while true do t = { t, {}, {}, {}, {} } end", "rules.lua"),
    "finalizer": ("setmetatable({}, { __gc = function() while true do end end })", "__gc has no place in rules"),
    "recursion": ("local function f() return f() + 1 end return f()", "rules.lua"),
    "error": ("error(setmetatable({}, { __tostring = function() while true do end end }))", "the error is no text"),
    "cycle": ("message.payload.loop = message.payload return message", "rules.lua"),
    "forgery": ("local answer = context.reject 'x' answer.action, answer.reason = 2, nil return answer", "was overwritten"),
    "escape": ("os.exit(1)", "global 'os'"),
    "strings": ("getmetatable('').__index = {}", "rules.lua"),
    "log": ("for i = 1, 1e9 do context.log(('x'):rep(1000)) end", "rules.lua"),
}

RULES = """
local attacks = {
%s
}
return {
  locations = { "%s" },
  outbound = function(message, context)
    local attack = attacks[message.body]
    if attack then
      return attack(message, context)
    end
    return message
  end,
}
"""
GOOD = 'return { locations = { "%s" }, outbound = function(m) m.body = m.body .. "!" return m end }' % LOCATION


def hostile_rules() -> str:
    functions = (f"  {name} = function(message, context) {body} end," for name, (body, _) in ATTACKS.items())
    return RULES % ("\n".join(functions), HOSTILE)


def test_a_hostile_agency_costs_itself_alone(programs):
    simulator = programs.simulator(location=f"{LOCATION},{HOSTILE}", **{"cast-delay-ms": 0})
    bascule = programs.bascule(simulator, BASCULE_RULE_MS=10000, BASCULE_RULE_INSTRUCTIONS=300000)
    bascule.connect(simulator)
    bascule.connect(simulator, HOSTILE)
    bascule.rule("hostile", hostile_rules())
    bascule.rule("good", GOOD)
    eventually(lambda: all(f'"agency":"{slug}"' in bascule.admin("GET", "/scripts").body.decode().replace(": ", ":")
                           for slug in ("hostile", "good")), 10, "both agencies' rules to be loaded")
    good, attacks, ending = [], [], threading.Event()

    def send_good():
        while not ending.wait(0.01):
            answer = bascule.webhook(payload(message="Kumusta"))
            good.append(answer.json["id"] if answer.status == 200 else answer.status)

    sender = threading.Thread(target=send_good)
    sender.start()
    try:
        for name in list(ATTACKS) * 3:
            answer = bascule.webhook(payload(locationId=HOSTILE, message=name))
            assert answer.status == 200, answer.body
            attacks.append((name, answer.json["id"]))
        for name, message_id in attacks:
            rejected = bascule.wait_for(message_id, "rejected", "dead", seconds=60)
            assert rejected["status"] == "rejected" and ATTACKS[name][1] in rejected["reason"], (name, rejected["reason"])
    finally:
        ending.set()
        sender.join()
    assert good and all(isinstance(one, str) for one in good), "webhooks were refused"
    for message_id in good:
        assert bascule.wait_for(message_id, "sent", "delivered", seconds=60)["sent"]["body"] == "Kumusta!"
    calm = bascule.webhook(payload(locationId=HOSTILE, message="calm")).json["id"]
    assert bascule.wait_for(calm, "sent", "delivered")["sent"]["body"] == "calm"
    assert not any(event.get("event") == "rules_quarantined" for event in bascule.events())
