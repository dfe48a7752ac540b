"""Rules that are published through the admin API: checked, live at once, kept with their history, taken by every process."""

import json

import pytest

from support.programs import LOCATION, eventually, new_seal_key, payload

RULE = """return {{
  locations = {{ "{location}" }},
  limits = {{ ms = 1000 }},
  outbound = function(message, context)
    {code}
    return message
  end,
  tests = {{
    ["keeps the number"] = function(t)
      t.equal(t.outbound({{ to = "09171234567", body = "x" }}).message.to, "09171234567")
    end,
  }},
}}
"""
# What one of these rules may take is not what these tests are about.
PATIENT = {"BASCULE_RULE_MS": 1000, "BASCULE_RULE_INSTRUCTIONS": 100000000}


def rule(text, location=LOCATION):
    return RULE.format(location=location, code=f'message.body = "{text}"')


def publish(server, source, slug="acme", **fields):
    return server.admin("PUT", f"/agencies/{slug}/rules", {"source": source, **fields})


def published(server, source, slug="acme", **fields) -> dict:
    answer = publish(server, source, slug, **fields)
    assert answer.status == 200, answer.body
    return answer.json


def sent(server, **fields) -> str:
    """The text that a message goes with."""
    message = server.wait_for(server.webhook(payload(**fields)).json["id"], "sent", "delivered", "rejected", "dead")
    assert message["status"] in ("sent", "delivered"), json.dumps(message, indent=1)
    return message["sent"]["body"]


def agency(server, slug="acme") -> dict:
    answer = server.admin("GET", f"/agencies/{slug}")
    assert answer.status == 200, answer.body
    return answer.json


@pytest.fixture
def server(programs, simulator):
    server = programs.bascule(simulator, **PATIENT)
    server.connect(simulator)
    return server


def test_what_is_published_is_live_when_it_is_answered(server):
    first = published(server, rule("first"), by="ana", note="a beginning")
    assert (first["version"], first["mode"]) == (1, "live") and first["generation"]
    assert sent(server) == "first"
    second = published(server, rule("second"))
    assert second["version"] == 2 and second["generation"] != first["generation"]
    assert sent(server) == "second"
    shown = agency(server)
    assert (shown["version"], shown["origin"], shown["hash"]) == (2, "published", second["hash"])
    assert shown["locations"] == [LOCATION] and shown["companies"] == []
    current = server.admin("GET", "/agencies/acme/rules").json
    assert (current["source"], current["version"], current["mode"]) == (rule("second"), 2, "live")
    assert [found["slug"] for found in server.admin("GET", "/agencies").json["agencies"]] == ["acme"]


def test_published_rules_win_over_a_file_until_they_are_taken_away(server):
    server.rule("acme", rule("of the file"))
    eventually(lambda: "acme" in server.admin("GET", "/scripts").body.decode(), 5, "the file to be loaded")
    assert sent(server) == "of the file" and agency(server)["origin"] == "file"
    published(server, rule("published"))
    assert sent(server) == "published"
    files = {file["path"]: file for file in server.admin("GET", "/scripts").json["files"]}
    assert "published version" in files["agencies/acme/rules.lua"]["note"], files
    server.rule("acme", rule("of the newer file"))
    server.admin("POST", "/reload")
    assert sent(server) == "published"
    removed = server.admin("DELETE", "/agencies/acme/rules", {"reason": "enough"})
    assert removed.status == 200 and removed.json["mode"] == "withdrawn", removed.body
    assert sent(server) == "of the newer file"
    assert server.admin("DELETE", "/agencies/acme/rules").status == 404


def test_without_a_file_unpublishing_leaves_the_default_rule(server):
    published(server, rule("published"))
    assert server.admin("DELETE", "/agencies/acme/rules").status == 200
    assert sent(server, message="as it was") == "as it was"
    assert server.admin("GET", "/agencies/acme").status == 404


@pytest.mark.parametrize("source, line, words", [
    ("return {\n  locations = { 'x' },\n  outbound = function(m return m end,\n}", 3, "expected"),
    ("return {\n  locations = { 'x' },\n  outbond = function(m) return m end,\n}", 3, "did you mean 'outbound'"),
    ("return {\n  locations = { 'x' },\n  outbound = function(m) m.body = nil return m end,\n  tests = {\n"
     "    says = function(t)\n      t.equal(t.outbound({ body = 'a' }).message.body, 'a')\n    end } }", 6, 'test "says"'),
])
def test_what_is_wrong_is_refused_with_its_place_and_what_runs_stays(server, source, line, words):
    published(server, rule("good"))
    answer = publish(server, source)
    assert answer.status == 422, answer.body
    error = answer.json["error"]
    assert error["code"] == "refused" and (error["file"], error["line"]) == ("acme/rules.lua", line), error
    assert words in error["message"] and source.splitlines()[line - 1].strip() in error["excerpt"], error
    assert sent(server) == "good" and agency(server)["version"] == 1
    assert len(server.admin("GET", "/agencies/acme/versions").json["versions"]) == 1


def test_what_another_agency_claims_is_refused(server):
    published(server, rule("of acme"))
    answer = publish(server, rule("of bravo"), slug="bravo")
    assert answer.status == 422 and "belongs to agency 'acme'" in answer.json["error"]["message"], answer.body
    assert sent(server) == "of acme"


def test_requests_that_are_wrong_are_told_what_is_wrong(server):
    for slug in ("Acme", "default", "a%2Fb"):
        assert publish(server, rule("x"), slug=slug).status == 400, slug
    for fields, word in (({"mode": "canari"}, "canary"), ({"notes": "x"}, "note"), ({"mode": "canary"}, "percent"),
                         ({"percent": 5}, "canary"), ({"mode": "shadow"}, "live"), ({"note": 5}, "text")):
        answer = publish(server, rule("x"), **fields)
        assert answer.status == 400 and word in answer.json["error"]["message"], (fields, answer.body)
    assert publish(server, "-- " + "x" * 262144).status == 413
    assert server.admin("PUT", "/agencies/acme/rules", {}).status == 400
    assert server.call("GET", "/admin/v1/agencies").status == 401
    assert server.admin("GET", "/agencies/acme/versions/9").status == 404


def test_who_expects_another_version_is_told_of_the_conflict(server):
    published(server, rule("first"), expected_version=0)
    assert publish(server, rule("second"), expected_version=0).status == 409
    published(server, rule("second"), expected_version=1)
    assert sent(server) == "second"


def test_history_says_who_when_what_and_what_differs(server):
    server.rule("acme", rule("of the file"))
    eventually(lambda: "acme" in server.admin("GET", "/scripts").body.decode(), 5, "the file to be loaded")
    published(server, rule("second"), by="ana", note="says second")
    published(server, rule("third"))
    history = server.admin("GET", "/agencies/acme/versions").json["versions"]
    assert [(v["version"], v["origin"], v["by"], v["mode"]) for v in history] == [
        (3, "published", "admin", "live"), (2, "published", "ana", "superseded"), (1, "file", "file", "live")], history
    assert history[1]["note"] == "says second" and all(v["at"] and len(v["hash"]) == 64 for v in history)
    assert [v["version"] for v in server.admin("GET", "/agencies/acme/versions?limit=1&before=3").json["versions"]] == [2]
    assert server.admin("GET", "/agencies/acme/versions/1").json["source"] == rule("of the file")
    shown = server.admin("GET", "/agencies/acme/versions/3/diff").json
    assert (shown["from"], shown["to"]) == (2, 3)
    assert '-    message.body = "second"\n+    message.body = "third"\n' in shown["difference"], shown
    assert server.admin("GET", "/agencies/acme/versions/1/diff?to=3").json["from"] == 1
    server_text = server.call("GET", "/admin/v1/agencies/acme/versions/3/diff", headers={
        "authorization": "Bearer admin-token-of-the-tests", "accept": "text/plain"})
    assert server_text.body.decode() == shown["difference"]


def test_rolling_back_publishes_the_earlier_text_again(server):
    for text in ("first", "second", "third"):
        published(server, rule(text))
    assert server.admin("POST", "/agencies/acme/rollback").json["version"] == 4
    assert sent(server) == "second"
    assert server.admin("POST", "/agencies/acme/rollback", {"version": 1}).json["version"] == 5
    assert sent(server) == "first"
    newest = server.admin("GET", "/agencies/acme/versions?limit=1").json["versions"][0]
    assert (newest["note"], newest["mode"]) == ("rollback to 1", "live")


def test_generations_go_back_in_one_process_too(server):
    published(server, rule("first"))
    published(server, rule("second"))
    assert server.admin("POST", "/scripts/rollback", {}).status == 200
    assert sent(server) == "first"
    published(server, rule("third"))
    assert sent(server) == "third"


def test_published_rules_are_there_after_a_restart(server):
    published(server, rule("kept"))
    assert server.stop() == 0
    server.start()
    assert agency(server)["version"] == 1 and sent(server) == "kept"


def test_another_process_on_the_store_follows(programs, simulator):
    key = new_seal_key()
    first, second = (programs.bascule(simulator, log=f"bascule{n}.log", BASCULE_SEAL_KEYS=key, **PATIENT) for n in range(2))
    first.connect(simulator)

    def follows(version, seconds=2):
        def look():
            answer = second.admin("GET", "/agencies/acme")
            return answer.status == 200 and answer.json["version"] == version
        eventually(look, seconds, f"version {version} in the other process")

    published(first, rule("first"))
    follows(1)
    published(first, rule("second"))
    follows(2)
    hashes = {server.admin("GET", "/agencies/acme").json["hash"] for server in (first, second)}
    assert len(hashes) == 1
    assert first.admin("DELETE", "/agencies/acme/rules").status == 200
    eventually(lambda: second.admin("GET", "/agencies/acme").status == 404, 2, "the rules to be gone in the other process")


# ---- candidates


def seen(server, **fields) -> dict:
    """A message that was sent: its text, and what its timeline says of the rules."""
    message = server.wait_for(server.webhook(payload(**fields)).json["id"], "sent", "delivered", "rejected", "dead")
    assert message["status"] in ("sent", "delivered"), json.dumps(message, indent=1)
    ruled = next(event for event in message["events"] if event.get("agency"))
    return {"id": message["id"], "text": message["sent"]["body"], **ruled}


def test_a_shadow_records_what_differs_and_the_live_result_is_sent(server):
    published(server, rule("live"))
    shadow = published(server, rule("other"), mode="shadow")
    assert shadow["mode"] == "shadow"
    message = seen(server)
    assert message["text"] == "live" and message["version"] == 1
    assert message["shadow"] == {"version": 2, "same": False, "differs": ["body"]}
    candidate = agency(server)["candidate"]
    assert (candidate["version"], candidate["mode"], candidate["calls"], candidate["different"]) == (2, "shadow", 1, 1)
    assert candidate["examples"] == [{"message": message["id"], "what": "body"}]
    published(server, RULE.format(location=LOCATION, code='error("oh")').split("  tests =")[0] + "}", mode="shadow")
    message = seen(server)
    assert message["text"] == "live" and "acme/rules.lua@3:5: oh" in message["shadow"]["error"], message
    metrics = server.call("GET", "/metrics").body.decode()
    assert 'bascule_rule_shadow_calls_total{result="different"} 1' in metrics
    assert 'bascule_rule_shadow_calls_total{result="error"} 1' in metrics


def test_a_candidate_goes_live_or_ends(server):
    published(server, rule("live"))
    assert server.admin("POST", "/agencies/acme/promote").status == 409
    published(server, rule("candidate"), mode="canary", percent=1)
    promoted = server.admin("POST", "/agencies/acme/promote", {"by": "ana"})
    assert promoted.status == 200 and (promoted.json["version"], promoted.json["mode"]) == (2, "live"), promoted.body
    assert sent(server) == "candidate" and "candidate" not in agency(server)
    published(server, rule("another"), mode="shadow")
    withdrawn = server.admin("POST", "/agencies/acme/withdraw", {"reason": "no need"})
    assert withdrawn.status == 200 and "candidate" not in agency(server), withdrawn.body
    newest = server.admin("GET", "/agencies/acme/versions?limit=1").json["versions"][0]
    assert (newest["mode"], newest["reason"]) == ("withdrawn", "no need")
    assert server.admin("POST", "/agencies/acme/withdraw").status == 409


def has_candidate(server) -> bool:
    answer = server.admin("GET", "/agencies/acme")
    return answer.status == 200 and "candidate" in answer.json


def test_a_canary_that_fails_is_taken_back_by_itself_and_costs_no_message(programs, simulator):
    key = new_seal_key()
    first, second = (programs.bascule(simulator, log=f"bascule{n}.log", BASCULE_SEAL_KEYS=key, BASCULE_CANARY_MIN_CALLS=5,
                                      **PATIENT) for n in range(2))
    first.connect(simulator)
    published(first, rule("live"))
    broken = RULE.format(location=LOCATION, code='error("oh")').split("  tests =")[0] + "}"
    published(first, broken, mode="canary", percent=50)
    for server in (first, second):
        eventually(lambda: has_candidate(server), 5, "the canary to be known")  # noqa: B023

    ids = []

    def taken_back():
        ids.extend(first.webhook(payload()).json["id"] for _ in range(10))
        for message_id in ids[-10:]:
            first.wait_for(message_id, "sent", "delivered", "rejected", "dead", seconds=30)
        return first.admin("GET", "/agencies/acme/versions?limit=1").json["versions"][0]["mode"] == "withdrawn"

    eventually(taken_back, 60, "the canary to be taken back")
    messages = [first.message(message_id) for message_id in ids]
    assert all(message["status"] in ("sent", "delivered") for message in messages)
    assert {message["sent"]["body"] for message in messages} == {"live"}
    newest = first.admin("GET", "/agencies/acme/versions?limit=1").json["versions"][0]
    assert "calls failed" in newest["reason"] and newest["changed_by"] == "bascule"
    for server in (first, second):
        eventually(lambda: not has_candidate(server), 5, "the canary to be gone")  # noqa: B023
    told = [event for server in (first, second) for event in server.events() if event.get("event") == "rules_canary_withdrawn"]
    assert [(event["agency"], event["version"]) for event in told] == [("acme", 2)], told


def test_a_canary_decides_for_its_share_of_the_messages(server):
    published(server, rule("live"))
    published(server, rule("canary"), mode="canary", percent=50)
    texts = [seen(server) for _ in range(40)]
    assert {message["text"] for message in texts} == {"live", "canary"}
    assert all((message.get("canary") == 2) == (message["text"] == "canary") for message in texts)
    candidate = agency(server)["candidate"]
    assert candidate["calls"] + candidate["live_calls"] == 40 and candidate["errors"] == 0, candidate


# ---- by command


def test_all_of_it_by_command(server, tmp_path):
    server.environment["BASCULE_LISTEN"] = f"127.0.0.1:{server.port}"
    file = tmp_path / "rules.lua"

    def command(*arguments, status=0):
        done = server.command("rules", *arguments)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    file.write_text(rule("first"))
    assert "acme: version 1 is live" in command("publish", "acme", str(file), "--note", "a beginning", "--by", "ana")
    assert sent(server) == "first"
    file.write_text("return {\n  locations = { 'x' },\n  outbond = 5,\n}")
    refused = command("publish", "acme", str(file), status=1)
    assert "acme/rules.lua:3" in refused and "outbond = 5" in refused, refused
    file.write_text(rule("second"))
    assert "version 2 is canary for 10 %" in command("publish", "acme", str(file), "--canary", "10")
    assert "version 2 is withdrawn" in command("withdraw", "acme", "--reason", "no need")
    assert "version 3 is shadow" in command("publish", "acme", str(file), "--shadow", "--expect", "2")
    assert "version 3 is live" in command("promote", "acme")
    assert command("show", "acme") == rule("second") and command("show", "acme", "1") == rule("first")
    assert '+    message.body = "second"' in command("show", "acme", "2", "--diff")
    assert "version 4 is live" in command("rollback", "--agency", "acme", "1")
    assert sent(server) == "first"
    lines = command("history", "acme").splitlines()
    assert len(lines) == 4 and "rollback to 1" in lines[0] and "a beginning" in lines[3] and "ana" in lines[3], lines
    assert "no rules of 'acne' are known here" in command("history", "acne")
    assert "version 4 is withdrawn" in command("unpublish", "acme")
    assert "cannot be an agency's name" in command("publish", "../acme", str(file), status=2)
    assert "No such file" in command("publish", "acme", str(tmp_path / "none.lua"), status=2)
    assert "not both" in command("publish", "acme", str(file), "--shadow", "--canary", "5", status=2)
