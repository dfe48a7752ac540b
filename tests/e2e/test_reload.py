"""Scripts are replaced while messages run through them."""

import signal
import time

from support.programs import LOCATION, eventually, payload

RULE = 'return {{ locations = {{ "{location}" }}, outbound = function(m) m.body = "{text}"; return m end }}'


def scripts(bascule):
    return bascule.admin("GET", "/scripts").json


def send(bascule, simulator):
    message = bascule.wait_for(bascule.webhook(payload()).json["id"], "delivered")
    return message["sent"]["body"]


def test_a_saved_rule_is_live_within_a_second(bascule, simulator):
    for text in ("first", "second", "third"):
        bascule.rule("acme", RULE.format(location=LOCATION, text=text))
        time.sleep(1)
        assert send(bascule, simulator) == text


def test_a_broken_file_keeps_what_runs_and_says_where(bascule, simulator):
    bascule.rule("acme", RULE.format(location=LOCATION, text="good"))
    time.sleep(1)
    before = scripts(bascule)
    bascule.rule("acme", "return {\n  locations = {},\n  outbound = function(m return m end,\n}\n")
    broken = eventually(lambda: next((f for f in scripts(bascule)["files"] if f.get("last_error")), None), 3,
                        "the fault to be shown")
    assert "rules.lua:3" in broken["last_error"], broken
    assert send(bascule, simulator) == "good"
    assert any("rules.lua:3" in str(event) for event in bascule.events()), "the log names file and line"
    bascule.rule("acme", RULE.format(location=LOCATION, text="mended"))
    eventually(lambda: not any(f.get("last_error") for f in scripts(bascule)["files"]), 3, "the fault to be gone")
    assert send(bascule, simulator) == "mended"
    assert scripts(bascule)["generation"] != before["generation"]


def test_a_misspelt_key_is_refused_with_a_suggestion(bascule):
    bascule.rule("acme", 'return { location = { "x" }, outbond = function(m) return m end }')
    broken = eventually(lambda: next((f for f in scripts(bascule)["files"] if f.get("last_error")), None), 3)
    assert "did you mean" in broken["last_error"], broken


TESTED = """return {{
  locations = {{ "{location}" }},
  outbound = function(m) m.body = "{text}" return m end,
  tests = {{
    ["says what it should"] = function(t)
      t.equal(t.outbound({{ body = "x" }}).message.body, "good")
    end,
  }},
}}
"""


def test_a_rule_whose_own_test_fails_keeps_the_old_one(bascule, simulator):
    bascule.rule("acme", TESTED.format(location=LOCATION, text="good"))
    time.sleep(1)
    assert send(bascule, simulator) == "good"
    bascule.rule("acme", TESTED.format(location=LOCATION, text="bad"))
    broken = eventually(lambda: next((f for f in scripts(bascule)["files"] if f.get("last_error")), None), 3,
                        "the failing test to be shown")
    said = 'rules.lua:6: test "says what it should": expected "good", got "bad"'
    assert said in broken["last_error"], broken
    assert send(bascule, simulator) == "good"
    checked = bascule.command("rules", "check")
    assert checked.returncode == 1 and said in checked.stdout, checked.stdout + checked.stderr


def test_a_function_that_nothing_calls_yet_is_told(bascule):
    bascule.rule("acme", 'return { locations = { "%s" }, inbound = function(m) return m end }' % LOCATION)
    told = eventually(lambda: [e for e in bascule.events() if e.get("event") == "rules_function_unused"], 3,
                      "the warning")
    assert [(e["agency"], e["key"]) for e in told] == [("acme", "inbound")], told


def test_going_back_is_one_command(bascule, simulator):
    bascule.rule("acme", RULE.format(location=LOCATION, text="old"))
    time.sleep(1)
    bascule.rule("acme", RULE.format(location=LOCATION, text="new"))
    time.sleep(1)
    assert send(bascule, simulator) == "new"
    back = bascule.command("rules", "rollback", BASCULE_LISTEN=f"127.0.0.1:{bascule.port}")
    assert back.returncode == 0, back.stderr
    assert send(bascule, simulator) == "old"


def test_sighup_and_the_admin_api_reload(bascule):
    answer = bascule.admin("POST", "/reload")
    assert answer.status == 200, answer.body
    bascule.process.send_signal(signal.SIGHUP)
    eventually(lambda: any(e.get("event") == "reload_unchanged" for e in bascule.events()), 3, "SIGHUP to be heard")
