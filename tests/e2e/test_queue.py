"""Retries, dead letters, replay, order, fairness: what the queue promises, seen from outside."""

import time

from support.programs import LOCATION, eventually, payload

SLOW = "slowLocation00000001"


def attempts(message):
    return [event["data"] if "data" in event else event for event in message["events"] if event["kind"] == "attempt"]


def test_a_rate_limited_send_waits_for_its_retry_after(bascule, simulator):
    simulator.faults(cast={"status": 429, "times": 1, "retry_after_s": 1})
    started = time.monotonic()
    done = bascule.wait_for(bascule.webhook(payload()).json["id"], "delivered")
    assert time.monotonic() - started >= 1.0
    assert [attempt["outcome"] for attempt in attempts(done)] == ["refused", "accepted"]
    assert len(simulator.state()["sends"]) == 1


def test_a_failing_provider_is_tried_again_until_the_message_is_dead_and_a_replay_sends_it(programs, simulator):
    bascule = programs.bascule(simulator, BASCULE_ATTEMPTS=3, BASCULE_RETRY_BASE_MS=50, BASCULE_GATE_OPEN_MS=100)
    bascule.connect(simulator)
    simulator.faults(cast={"status": 503})
    dead = bascule.wait_for(bascule.webhook(payload()).json["id"], "dead")
    assert len(attempts(dead)) == 3
    eventually(lambda: simulator.state()["statuses"].get(dead["external_id"], [{}])[-1].get("status") == "failed", 10,
               "GHL to hear that it failed")
    failed = simulator.state()["statuses"][dead["external_id"]][-1]
    assert all(isinstance(failed["error"][name], str) and failed["error"][name] for name in ("code", "type", "message"))

    simulator.faults(cast={})
    answer = bascule.admin("POST", f"/messages/{dead['id']}/replay")
    assert answer.status == 202, answer.body
    replayed = bascule.wait_for(dead["id"], "delivered")
    assert "replayed" in [event["kind"] for event in replayed["events"]]
    assert bascule.admin("POST", f"/messages/{dead['id']}/replay").status == 409
    assert bascule.admin("POST", "/messages/m0000000000000/replay").status == 404


def test_a_number_that_cannot_get_sms_is_refused_before_anything_is_sent(bascule, simulator):
    dead = bascule.wait_for(bascule.webhook(payload(phone="+63281234567")).json["id"], "dead")
    assert "number" in dead["reason"] or "landline" in dead["reason"], dead["reason"]
    assert simulator.state()["sends"] == []


def test_order_within_a_conversation_is_kept_over_a_retry(bascule, simulator):
    simulator.faults(cast={"status": 429, "times": 2, "retry_after_s": 1})
    ids = [bascule.webhook(payload(contactId="one", message=f"part {n}")).json["id"] for n in range(5)]
    for message_id in ids:
        bascule.wait_for(message_id, "delivered", seconds=30)
    assert [send["message"] for send in simulator.state()["sends"]] == [f"part {n}" for n in range(5)]


def test_a_slow_location_does_not_hold_up_another(programs):
    simulator = programs.simulator(location=f"{LOCATION},{SLOW}")
    bascule = programs.bascule(simulator, BASCULE_DELIVERY_IN_FLIGHT=16)
    bascule.connect(simulator)
    bascule.connect(simulator, SLOW)
    settings = bascule.admin("PUT", f"/locations/{SLOW}/settings", {"cast_api_key": "cast_slow_key"})
    assert settings.status == 200, settings.body
    simulator.faults(cast={"latency_ms": 4000, "key": "cast_slow_key"})
    for n in range(60):
        assert bascule.webhook(payload(locationId=SLOW, contactId=f"s{n}")).status == 200
    time.sleep(0.5)
    started = time.monotonic()
    answer = bascule.webhook(payload())
    bascule.wait_for(answer.json["id"], "sent", "delivered", seconds=3)
    assert time.monotonic() - started < 3


def test_a_rule_that_uses_up_its_time_does_not_hold_up_another(programs):
    simulator = programs.simulator(location=f"{LOCATION},{SLOW}")
    bascule = programs.bascule(simulator, BASCULE_RULE_MS=50, BASCULE_RULE_INSTRUCTIONS=1000000000)
    bascule.connect(simulator)
    bascule.rule("spin", 'return { locations = { "%s" }, outbound = function() while true do end end }' % SLOW)
    eventually(lambda: "spin" in bascule.admin("GET", "/scripts").body.decode(), 5, "the rule to be loaded")
    spinning = [bascule.webhook(payload(locationId=SLOW, contactId=f"s{n}")).json["id"] for n in range(400)]
    bascule.wait_for(bascule.webhook(payload()).json["id"], "sent", "delivered", seconds=4)
    assert bascule.message(spinning[-1])["status"] == "queued", "else the others were over before"
    dead = bascule.wait_for(spinning[0], "dead", "rejected")
    assert "rules.lua" in dead["reason"] and "took longer" in dead["reason"]


def test_the_list_pages_filters_and_finds(programs):
    bascule = programs.bascule(BASCULE_DELIVERY_WORKERS=0)
    sent = [bascule.webhook(payload(message=f"number {n} žluťoučký", locationId=LOCATION if n % 2 else SLOW)).json["id"]
            for n in range(7)]
    seen, cursor = [], ""
    while cursor is not None:
        page = bascule.admin("GET", f"/messages?limit=3&cursor={cursor}").json
        seen += [message["id"] for message in page["messages"]]
        cursor = page["next"]
    assert seen == sent[::-1]
    assert len(bascule.admin("GET", f"/messages?location={SLOW}").json["messages"]) == 4
    assert [m["id"] for m in bascule.admin("GET", "/messages?q=number%203").json["messages"]] == [sent[3]]
    external = bascule.message(sent[2])["external_id"]
    assert [m["id"] for m in bascule.admin("GET", f"/messages?q={external}").json["messages"]] == [sent[2]]
    assert bascule.admin("GET", "/messages?status=dead").json["messages"] == []
    assert bascule.admin("GET", "/messages?status=dedd").status == 400
    assert bascule.call("GET", "/admin/v1/messages").status == 401


def test_a_full_queue_answers_429_with_retry_after(programs):
    bascule = programs.bascule(BASCULE_DELIVERY_WORKERS=0, BASCULE_QUEUE_LIMIT=3)
    statuses = []

    def post():
        answer = bascule.webhook(payload())
        statuses.append(answer.status)
        return answer if answer.status == 429 else None

    refused = eventually(post, 30, "a refusal", every=0.3)
    assert int(refused.headers["retry-after"]) >= 1
    assert statuses.count(200) >= 3
