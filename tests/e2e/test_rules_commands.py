"""The commands for those who write rules: bascule rules run, diff, test, new."""

import json
import subprocess

import pytest

from support.programs import BINARY, LOCATION, PATIENCE, clean_environment, payload

NOON = "2026-01-02T12:00:00+08:00"
RULE = """
return {
  locations = { "%s" },
  outbound = function(message, context)
    if message.body == "no" then
      return context.reject "not today"
    elseif message.body == "wait" then
      return context.defer { until_ = context.now + 1000, reason = "later" }
    elseif message.body == "break" then
      error "it broke"
    end
    message.sender = context.settings.name or "ACME"
    return message
  end,
}
""" % LOCATION


@pytest.fixture
def kit(tmp_path):
    """Runs `bascule rules ...` over an agencies folder with one agency, acme."""
    folder = tmp_path / "agencies"
    (folder / "acme").mkdir(parents=True)
    (folder / "acme/rules.lua").write_text(RULE)

    def run(*arguments, given=None, **settings):
        settings = {"BASCULE_AGENCIES": folder, "BASCULE_STORE": f"sqlite:{tmp_path}/bascule.db"} | settings
        environment = clean_environment(**settings)
        return subprocess.run([BINARY, "rules", *map(str, arguments)], env=environment, input=given, cwd=tmp_path,
                              capture_output=True, text=True, timeout=60 * PATIENCE)

    run.folder, run.agencies = tmp_path, folder
    return run


def run_event(kit, *arguments, **fields):
    return kit("run", "--event", "-", "--now", NOON, *arguments, given=json.dumps(payload(**fields)))


# ---- run


def test_run_shows_what_changes(kit):
    done = run_event(kit)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "acme: send"
    assert '(none) -> "ACME"' in done.stdout


def test_run_tells_the_decision_as_json(kit):
    done = run_event(kit, "--json", message="no")
    decision = json.loads(done.stdout)
    assert (decision["action"], decision["agency"], decision["reason"]) == ("reject", "acme", "not today")


def test_run_takes_the_time_that_it_is_given(kit):
    assert json.loads(run_event(kit, "--json", message="wait").stdout)["until_ms"] == 1767326401000


def test_run_takes_settings_from_a_file(kit):
    (kit.folder / "settings.json").write_text('{"name": "OTHER"}')
    done = run_event(kit, "--json", "--settings", "settings.json")
    assert json.loads(done.stdout)["message"]["sender"] == "OTHER"


def test_run_of_a_rule_that_fails_says_where(kit):
    done = run_event(kit, message="break")
    assert done.returncode == 1
    assert "acme/rules.lua:10:" in done.stderr and "it broke" in done.stderr


def test_run_takes_rules_from_a_file(kit):
    (kit.folder / "other.lua").write_text(RULE.replace('"ACME"', '"OTHER"'))
    assert json.loads(run_event(kit, "--json", "--rules", "other.lua").stdout)["message"]["sender"] == "OTHER"


def test_run_of_a_location_of_no_agency_is_the_default_rule(kit):
    assert json.loads(run_event(kit, "--json", locationId="nobody").stdout)["agency"] == "default"


def test_run_keeps_the_decision_of_an_event_the_same(kit):
    outputs = {run_event(kit, "--json", messageId="m1", contactId="c1").stdout for _ in range(2)}
    assert len(outputs) == 1


@pytest.mark.parametrize("arguments, given, words", [
    (("--agency", "acne"), payload(), "there is no agency 'acne'; did you mean acme?"),
    ((), {"function": "outbond"}, "'outbond'; did you mean outbound?"),
    ((), {"function": "outbound", "message": {"boddy": ""}}, "did you mean 'body'?"),
    (("--now", "noon"), payload(), "noon is no time such as"),
    (("--locaton", "x"), payload(), "did you mean '--location'?"),
    ((), [1], "the event names no location"),
])
def test_run_says_what_makes_no_sense(kit, arguments, given, words):
    done = kit("run", "--event", "-", *arguments, given=json.dumps(given))
    assert done.returncode == 2
    assert words in done.stderr
