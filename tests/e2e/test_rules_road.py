"""What rules answer, over the wire: parts, caps, contacts, statuses; across crashes and replays."""

import json

import pytest

from support import web
from support.programs import LOCATION, eventually, kinds, payload

PLAIN = "The agency's rules failed for this message."


def server_of(programs, simulator, **settings):
    """A server that comes back under its address after a kill. What rules may take is not what is tested here."""
    server = programs.bascule(simulator, **({"BASCULE_RULE_MS": 5000, "BASCULE_RULE_INSTRUCTIONS": 100000000} | settings))
    server.connect(simulator)
    server.environment["BASCULE_LISTEN"] = f"127.0.0.1:{server.port}"
    return server


@pytest.fixture
def bascule(programs, simulator):
    return server_of(programs, simulator)


def install(bascule, body):
    """Writes the rules of the location and waits until they run."""
    bascule.rule("acme", 'return { locations = { "%s" }, %s }' % (LOCATION, body))
    reloaded = bascule.admin("POST", "/reload")
    assert reloaded.status == 200, reloaded.body
    files = bascule.admin("GET", "/scripts").json["files"]
    assert [f.get("last_error") for f in files if f["path"].endswith("acme/rules.lua")] == [None], files


SPLIT = """outbound = function(message, context)
  context.log("in three parts")
  return context.split { "%s one", "%s two", "%s three" }
end"""


def split(bascule, word="part"):
    install(bascule, SPLIT % (word, word, word))


def texts(simulator):
    return [send["message"] for send in simulator.state()["sends"]]


def reports(simulator, external_id):
    return [entry["status"] for entry in simulator.state()["statuses"].get(external_id, [])]


def attempts(message):
    return [event for event in message["events"] if event["kind"] == "attempt"]


def keys_of(external_id, simulator):
    prefix = f"{LOCATION}:{external_id}"
    return [send["idempotency_key"].removeprefix(prefix) for send in simulator.state()["sends"]]


# ---- parts


def test_a_message_in_parts_is_sent_in_order_and_has_one_status(bascule, simulator):
    split(bascule)
    message = payload()
    done = bascule.wait_for(bascule.webhook(message).json["id"], "delivered")
    assert texts(simulator) == ["part one", "part two", "part three"]
    assert keys_of(message["messageId"], simulator) == ["", ":p2", ":p3"]
    eventually(lambda: reports(simulator, message["messageId"]) == ["pending", "delivered"], 10,
               "GHL to hear pending once, then delivered")
    assert [(event["part"], event["of"], event["outcome"]) for event in attempts(done)] == [
        (1, 3, "accepted"), (2, 3, "accepted"), (3, 3, "accepted")]
    rules = [event for event in done["events"] if event["kind"] == "rule"]
    assert len(rules) == 1, "the rule is asked once"
    assert (rules[0]["agency"], rules[0]["action"], rules[0]["of"]) == ("acme", "split", 3)
    assert rules[0]["log"] == ["in three parts"]
    assert set(rules[0]["usage"]) == {"us", "instructions", "memory_bytes"}
    begun = [(event["part"], event["of"]) for event in done["events"] if event["kind"] == "attempt_begun"]
    assert begun == [(1, 3), (2, 3), (3, 3)]
    assert "in three parts" not in bascule.log()


def test_nothing_leaves_where_one_part_cannot_be_sent(bascule, simulator):
    install(bascule, """outbound = function(message, context)
      return context.split { "good", { to = "+63281234567", body = "to a landline" } }
    end""")
    dead = bascule.wait_for(bascule.webhook(payload()).json["id"], "dead")
    assert dead["reason"].startswith("part 2 of 2: ") and "landline" in dead["reason"], dead["reason"]
    assert texts(simulator) == []


def test_a_message_is_undelivered_where_one_part_is(bascule, simulator):
    install(bascule, """outbound = function(message, context)
      return context.split { "good", { to = "+639171230404", body = "never arrives" } }
    end""")
    message = payload()
    ended = bascule.wait_for(bascule.webhook(message).json["id"], "undelivered")
    assert ended["reason"].startswith("part 2 of 2: "), ended["reason"]
    eventually(lambda: reports(simulator, message["messageId"])[-1:] == ["failed"], 10, "GHL to hear failed")


def test_a_part_of_unknown_outcome_is_asked_for_again_under_its_key(bascule, simulator):
    split(bascule)
    simulator.faults(cast={"path": "/sms/send", "drop": 1, "after": 1, "times": 1})
    message = payload()
    done = bascule.wait_for(bascule.webhook(message).json["id"], "delivered")
    assert texts(simulator) == ["part one", "part two", "part three"]
    assert [send["asked"] for send in simulator.state()["sends"]] == [1, 2, 1]
    assert [(event["part"], event["outcome"]) for event in attempts(done)] == [
        (1, "accepted"), (2, "unknown"), (2, "accepted"), (3, "accepted")]


def test_killed_between_parts_it_goes_on_with_the_next_and_asks_no_rule(programs):
    simulator = programs.simulator()
    server = server_of(programs, simulator, BASCULE_LEASE_MS=3000, BASCULE_CLIENT_TIMEOUT_MS=2000)
    split(server, "old")
    simulator.faults(cast={"path": "/sms/send", "status": 503, "retry_after_s": 2, "after": 1, "times": 1})
    message = payload()
    message_id = server.webhook(message).json["id"]
    eventually(lambda: len(attempts(server.message(message_id))) == 2, 15, "the second part to be put off")
    server.kill()
    server.rule("acme", 'return { locations = { "%s" }, outbound = function(m, context) '
                        'return context.reject("asked again") end }' % LOCATION)
    server.start()
    server.wait_for(message_id, "delivered", seconds=30)
    assert texts(simulator) == ["old one", "old two", "old three"]
    assert keys_of(message["messageId"], simulator) == ["", ":p2", ":p3"]


def test_killed_while_a_part_is_under_way_it_repeats_that_part_alone(programs):
    simulator = programs.simulator()
    server = server_of(programs, simulator, BASCULE_LEASE_MS=5000, BASCULE_CLIENT_TIMEOUT_MS=4000)
    split(server)
    simulator.faults(cast={"path": "/sms/send", "latency_ms": 3000, "after": 1})
    message_id = server.webhook(payload()).json["id"]
    eventually(lambda: kinds(server.message(message_id)).count("attempt_begun") == 2, 15, "the second part to begin")
    server.kill()
    simulator.faults(cast={})
    server.start()
    server.wait_for(message_id, "delivered", seconds=30)
    sends = simulator.state()["sends"]
    assert texts(simulator) == ["part one", "part two", "part three"]
    asked_again = [send["message"] for send in sends if send["asked"] > 1]
    outcomes = [event["outcome"] for event in attempts(server.message(message_id))]
    assert outcomes == ["accepted", "unknown", "accepted", "accepted"]
    assert asked_again in ([], ["part two"]), sends


def test_a_replay_goes_on_with_what_was_not_accepted(bascule, simulator):
    split(bascule)
    simulator.faults(cast={"path": "/sms/send", "status": 402, "after": 1, "times": 1})
    message = payload()
    dead = bascule.wait_for(bascule.webhook(message).json["id"], "dead")
    assert texts(simulator) == ["part one"]
    assert dead["reason"].startswith("part 2 of 3: "), dead["reason"]
    eventually(lambda: reports(simulator, message["messageId"]) == ["failed"], 10, "GHL to hear failed")
    assert bascule.admin("POST", f"/messages/{dead['id']}/replay").status == 202
    bascule.wait_for(dead["id"], "delivered")
    assert texts(simulator) == ["part one", "part two", "part three"]
    assert keys_of(message["messageId"], simulator) == ["", ":r1:p2", ":r1:p3"]


# ---- memory

CAP = """memory = { today = { kind = "counter", per = "location", window = "month", zone = "UTC" } },
outbound = function(message, context)
  if context.memory.today.count >= 5 then return context.reject("the cap is reached") end
  context.count("today", { most = 5 })
  return message
end"""


def test_a_cap_holds_for_messages_that_come_together(bascule, simulator):
    install(bascule, CAP)
    simulator.faults(cast={"path": "/sms/send", "latency_ms": 100})
    ids = [bascule.webhook(payload()).json["id"] for _ in range(12)]
    ended = [bascule.wait_for(message_id, "delivered", "rejected", seconds=30)["status"] for message_id in ids]
    assert sorted(ended) == ["delivered"] * 5 + ["rejected"] * 7
    assert len(texts(simulator)) == 5


def test_what_a_retry_counts_counts_once(bascule, simulator):
    install(bascule, CAP)
    simulator.faults(cast={"path": "/sms/send", "status": 503, "times": 2})
    bascule.wait_for(bascule.webhook(payload()).json["id"], "delivered")
    for _ in range(4):
        bascule.wait_for(bascule.webhook(payload()).json["id"], "delivered")
    refused = bascule.wait_for(bascule.webhook(payload()).json["id"], "rejected")
    assert refused["reason"] == "the cap is reached"


# ---- contacts


def new_contact(simulator, **fields):
    """Creates a contact in the simulated GHL, by a token that was given to Bascule."""
    for token in reversed(simulator.state()["tokens"]["issued"]):
        answer = web.call("POST", simulator.url + "/contacts/", {"locationId": LOCATION, **fields},
                          {"authorization": f"Bearer {token}", "version": "2021-07-28"})
        if answer.status == 201:
            return answer.json["contact"]["id"]
    raise AssertionError("no token may create a contact")


GREET = """needs = { "contact" },
outbound = function(message, context)
  local template = require "bascule.template"
  message.body = template.render("Hi {{contact.first_name|there}}", { contact = message.contact or {} })
  return message
end"""


def test_a_template_has_the_contact_that_ghl_knows(bascule, simulator):
    bascule.webhook(payload())  # so that there is a token of the location
    eventually(lambda: len(texts(simulator)) == 1, 10)
    contact = new_contact(simulator, firstName="Juan")
    install(bascule, GREET)
    for contact_id in (contact, contact, "nobodyknowsthisone00"):
        bascule.wait_for(bascule.webhook(payload(contactId=contact_id)).json["id"], "delivered")
    assert texts(simulator)[1:] == ["Hi Juan", "Hi Juan", "Hi there"]


def test_a_message_waits_for_its_contact_while_ghl_is_away(bascule, simulator):
    install(bascule, GREET)
    simulator.faults(ghl={"path": "/contacts/", "status": 503})
    message_id = bascule.webhook(payload()).json["id"]
    waiting = eventually(lambda: [event for event in bascule.message(message_id)["events"]
                                  if event["kind"] == "waiting"], 10, "the message to wait")
    assert waiting[0]["reason"].startswith("the contact could not be read: GHL answered 503"), waiting
    assert texts(simulator) == []
    simulator.faults(ghl={})
    bascule.wait_for(message_id, "delivered", seconds=60)
    assert texts(simulator) == ["Hi there"]


# ---- statuses


def test_a_report_rule_decides_what_ghl_hears(bascule, simulator):
    install(bascule, """report = function(report, context)
      if report.status == "pending" then return context.reject("only ends are told") end
      if report.status == "failed" then report.error.message = "Please call " .. report.to end
      return report
    end""")
    good, bad = payload(), payload(phone="+639171230404")
    done = bascule.wait_for(bascule.webhook(good).json["id"], "delivered")
    bascule.wait_for(bascule.webhook(bad).json["id"], "undelivered")
    eventually(lambda: reports(simulator, good["messageId"]) == ["delivered"], 10, "GHL to hear the end alone")
    eventually(lambda: reports(simulator, bad["messageId"]) == ["failed"], 10, "GHL to hear the end alone")
    told = simulator.state()["statuses"][bad["messageId"]][0]["error"]["message"]
    assert told == "Please call +639171230404"
    withheld = [event for event in bascule.message(done["id"])["events"]
                if event["kind"] == "report" and event["outcome"] == "withheld"]
    assert [event["reason"] for event in withheld] == ["only ends are told"]


def test_a_report_rule_that_fails_hides_nothing(bascule, simulator):
    install(bascule, "report = function(report) return report.nothing.at_all end")
    message = payload()
    done = bascule.wait_for(bascule.webhook(message).json["id"], "delivered")
    eventually(lambda: reports(simulator, message["messageId"]) == ["pending", "delivered"], 10, "GHL to hear both")
    failed = [event["rule_error"] for event in bascule.message(done["id"])["events"] if event["kind"] == "report"]
    assert failed and all("acme/rules.lua:1" in error for error in failed), failed


# ---- answers that are attacks

HOSTILE = {
    "a huge text": "message.body = ('x'):rep(1000000) return message",
    "a thousand attachments": "for i = 1, 1000 do message.attachments[i] = ('https://files.example/x'):rep(20) end return message",
    "a number without end": "message.to = ('9'):rep(60000) return message",
    "a sender without end": "message.sender = ('S'):rep(60000) return message",
    "a provider that is none": "message.provider = 'nobody' return message",
    "bytes that are no text": "message.body = '\\xff\\xfe' return message",
    "a number that is no text": "message.to = '\\0\\xff' return message",
    "parts that are huge": "return context.split { ('x'):rep(60000), ('x'):rep(60000) }",
    "a reason that is no text": "return context.reject('\\xff')",
    "a deferral for ever": "return context.defer { until_ = math.maxinteger }",
    "a deferral to no time": "return context.defer { until_ = 0/0 }",
    "providers without end": "local t = {} for i = 1, 50000 do t[i] = 'p' .. i end return context.route(t)",
}


def test_whatever_a_rule_answers_ends_with_a_reason(bascule, simulator):
    branches = "\n".join(f"if message.body == {json.dumps(name)} then {code} end" for name, code in HOSTILE.items())
    install(bascule, "outbound = function(message, context)\n%s\nreturn message\nend" % branches)
    sent = {name: payload(message=name) for name in HOSTILE}
    ids = {name: bascule.webhook(message).json["id"] for name, message in sent.items()}
    for name, message_id in ids.items():
        ended = bascule.wait_for(message_id, "rejected", "dead")
        assert ended["reason"] and len(ended["reason"]) < 1500, (name, ended["reason"])
        eventually(lambda: reports(simulator, sent[name]["messageId"]) == ["failed"], 10, f"GHL to hear of {name}")
    assert texts(simulator) == []
    bascule.wait_for(bascule.webhook(payload(message="good")).json["id"], "delivered")


def test_ghl_reads_a_plain_sentence_and_the_operator_file_and_line(bascule, simulator):
    install(bascule, "outbound = function(message) return message.nothing.at_all end")
    message = payload()
    rejected = bascule.wait_for(bascule.webhook(message).json["id"], "rejected")
    assert "acme/rules.lua:1" in rejected["reason"], rejected["reason"]
    eventually(lambda: reports(simulator, message["messageId"]) == ["failed"], 10, "GHL to hear failed")
    assert simulator.state()["statuses"][message["messageId"]][0]["error"]["message"] == PLAIN
    assert "rejected" in kinds(rejected)
