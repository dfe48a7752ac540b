"""The commands for those who write rules: bascule rules run, diff, test, new."""

import json
import pathlib
import subprocess

import pytest

from support.programs import BINARY, LOCATION, PATIENCE, Bascule, clean_environment, payload

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
        store = f"sqlite:{tmp_path}/bascule.db"
        settings = {"BASCULE_AGENCIES": folder, "BASCULE_STORE": store, "BASCULE_RULE_MS": 1000} | settings
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


def test_run_of_a_rule_that_fails_shows_its_lines(kit):
    done = run_event(kit, message="break")
    assert done.stderr.splitlines()[1:] == [
        '     9 |     elseif message.body == "break" then',
        '  > 10 |       error "it broke"',
        "    11 |     end",
    ]
    assert '> 10 |       error "it broke"\n' in json.loads(run_event(kit, "--json", message="break").stdout)["excerpt"]


def test_run_of_a_file_that_does_not_load_shows_its_lines(kit):
    for file in ("other.lua", "agencies/acme/rules.lua"):
        (kit.folder / file).write_text("return { outbond = 1 }")
    for arguments in (("--rules", "other.lua"), ("--agency", "acme")):
        done = run_event(kit, *arguments)
        assert done.returncode == 1
        assert done.stderr.splitlines()[1] == "  > 1 | return { outbond = 1 }"


def test_run_takes_rules_from_a_file(kit):
    (kit.folder / "other.lua").write_text(RULE.replace('"ACME"', '"OTHER"'))
    assert json.loads(run_event(kit, "--json", "--rules", "other.lua").stdout)["message"]["sender"] == "OTHER"


def test_run_of_a_location_of_no_agency_is_the_default_rule(kit):
    assert json.loads(run_event(kit, "--json", locationId="nobody").stdout)["agency"] == "default"


@pytest.mark.parametrize("needs, body", [("needs = { 'contact' },", "Hi Ana of contact1"), ("", "Hi nobody of nothing")])
def test_run_gives_the_contact_to_rules_that_need_it(kit, needs, body):
    (kit.agencies / "acme/rules.lua").write_text("""
return {
  locations = { "%s" }, %s
  outbound = function(message)
    local contact = message.contact or { first_name = "nobody", id = "nothing" }
    message.body = "Hi " .. contact.first_name .. " of " .. contact.id
    return message
  end,
}
""" % (LOCATION, needs))
    message = json.loads(run_event(kit, "--json", contactId="contact1", contact={"first_name": "Ana"}).stdout)["message"]
    assert message["body"] == body and "contact" not in message["payload"]


def test_run_keeps_the_decision_of_an_event_the_same(kit):
    first, second = (json.loads(run_event(kit, "--json", messageId="m1", contactId="c1").stdout) for _ in range(2))
    for decision in (first, second):
        del decision["usage"]  # what it took is the machine's
    assert first == second


@pytest.mark.parametrize("arguments, given, words", [
    (("--agency", "acne"), payload(), "there is no agency 'acne'; did you mean 'acme'?"),
    ((), {"function": "outbond"}, "'outbond'; did you mean 'outbound'?"),
    ((), {"function": "outbound", "message": {"boddy": ""}}, "did you mean 'body'?"),
    (("--now", "noon"), payload(), "noon is no time such as"),
    (("--locaton", "x"), payload(), "did you mean '--location'?"),
    ((), [1], "the event names no location"),
])
def test_run_says_what_makes_no_sense(kit, arguments, given, words):
    done = kit("run", "--event", "-", *arguments, given=json.dumps(given))
    assert done.returncode == 2
    assert words in done.stderr


# ---- diff


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with five messages that were accepted, not yet sent."""
    folder = tmp_path_factory.mktemp("diff")
    server = Bascule(folder, BASCULE_DELIVERY_WORKERS=0).start()
    for body in ("Kumusta", "Salamat po", "no", "wait", "break"):
        assert server.webhook(payload(message=body)).status == 200
    server.stop()
    return f"sqlite:{folder}/bascule.db"


def diff(kit, store, new, *arguments, old=RULE):
    for name, text in (("old", old), ("new", new)):
        (kit.folder / name / "acme").mkdir(parents=True, exist_ok=True)
        (kit.folder / name / "acme/rules.lua").write_text(text)
    return kit("diff", "--rules", "new", "--against", "old", *arguments, BASCULE_STORE=store)


def groups(done):
    return {group["label"]: group["count"] for group in json.loads(done.stdout)["groups"]}


def test_diff_of_the_same_rules_is_nothing(kit, store):
    done = diff(kit, store, RULE, "--json")
    assert done.returncode == 0, done.stderr
    assert groups(done) == {"unchanged": 5}


def test_diff_groups_what_changes(kit, store):
    new = RULE.replace('"ACME"', '"OTHER"').replace('"not today"', '"never"').replace("now + 1000", "now")
    done = diff(kit, store, new, "--json")
    assert done.returncode == 1, done.stderr
    assert groups(done) == {"sender changed": 2, "reject: not today -> reject: never": 1, "defer: time changed": 1,
                            "unchanged": 1}


def test_diff_tells_another_action(kit, store):
    new = RULE.replace('body == "break"', 'body == "Kumusta"').replace('error "it broke"', 'return context.reject "new"')
    done = diff(kit, store, new, "--json")
    assert groups(done) == {"send -> reject: new": 1, "failure -> send": 1, "unchanged": 3}
    assert done.returncode == 1


def test_diff_tells_new_failures_by_their_line(kit, store):
    done = diff(kit, store, RULE.replace('return context.reject "not today"', 'error "oh"'), "--json")
    assert done.returncode == 3
    assert groups(done) == {"reject -> new failure: new/acme/rules.lua:6": 1, "unchanged": 4}


def test_diff_may_allow_changes_but_no_failures(kit, store):
    assert diff(kit, store, RULE.replace('"ACME"', '"OTHER"'), "--fail-on", "failures").returncode == 0
    assert diff(kit, store, RULE.replace('"ACME"', 'nil .. ""'), "--fail-on", "failures").returncode == 3


def test_diff_of_a_file_that_does_not_load_fails_all(kit, store):
    done = diff(kit, store, RULE.replace("outbound", "outbond"), "--json")
    assert done.returncode == 3
    assert "did you mean 'outbound'?" in json.loads(done.stdout)["broken"][0]


def test_diff_shows_texts_only_when_it_is_asked_to(kit, store):
    new = RULE.replace('message.sender =', 'message.body = message.body .. "!" message.sender =')
    discreet, open_ = diff(kit, store, new), diff(kit, store, new, "--show-text")
    assert "Kumusta" not in discreet.stdout and "body 7 characters -> 8 characters" in discreet.stdout
    assert 'body "Kumusta" -> "Kumusta!"' in open_.stdout


def test_diff_has_as_many_examples_as_it_is_asked_for(kit, store):
    done = diff(kit, store, RULE.replace('"ACME"', '"OTHER"'), "--json", "--examples", "1")
    group = next(group for group in json.loads(done.stdout)["groups"] if group["label"] == "sender changed")
    assert [example["text"] for example in group["examples"]] == ['sender "ACME" -> "OTHER"']


def test_diff_of_the_newest_only(kit, store):
    assert groups(diff(kit, store, RULE, "--json", "--limit", "2")) == {"unchanged": 2}


def test_diff_of_an_agency_leaves_others_out(kit, store):
    (kit.folder / "new/other").mkdir(parents=True)
    (kit.folder / "new/other/rules.lua").write_text(RULE.replace(LOCATION, "elsewhere"))
    assert groups(diff(kit, store, RULE, "--json", "--agency", "other")) == {}


@pytest.mark.parametrize("arguments, words", [
    (("--since", "yesterday"), "--since must be a duration such as 90m, 24h or 7d"),
    (("--limit", "many"), "--limit must be a whole number"),
    (("--fail-on", "all"), "--fail-on is changes or failures"),
    (("--agency", "nobody"), "neither side has an agency 'nobody'"),
    (("--agency", "acne"), "neither side has an agency 'acne'; did you mean 'acme'?"),
])
def test_diff_says_what_makes_no_sense(kit, store, arguments, words):
    done = diff(kit, store, RULE, *arguments)
    assert done.returncode == 2
    assert words in done.stderr


CAP = """
return {
  locations = { "%s" },
  memory = { today = { kind = "counter", per = "location", window = "month", zone = "UTC" } },
  outbound = function(message, context)
    if context.memory.today.count >= %d then
      return context.reject "enough"
    end
    context.count "today"
    return message
  end,
}
"""


def test_diff_counts_what_each_side_remembers(kit, store):
    done = diff(kit, store, CAP % (LOCATION, 2), "--json", old=CAP % (LOCATION, 4))
    assert done.returncode == 1, done.stdout + done.stderr
    assert groups(done) == {"send -> reject: enough": 2, "unchanged": 3}


def test_diff_with_memory_of_the_newest_only(kit, store):
    done = diff(kit, store, CAP % (LOCATION, 1), "--json", "--limit", "3", old=CAP % (LOCATION, 9))
    assert groups(done) == {"send -> reject: enough": 2, "unchanged": 1}


def test_diff_against_what_a_server_ran(kit, tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    server = Bascule(folder, BASCULE_DELIVERY_WORKERS=0)
    server.rule("acme", RULE)
    server.start()
    assert server.webhook(payload()).status == 200
    server.stop()
    store = {"BASCULE_STORE": f"sqlite:{folder}/bascule.db"}
    assert groups(kit("diff", "--json", **store)) == {"unchanged": 1}
    (kit.agencies / "acme/rules.lua").write_text(RULE.replace('"ACME"', '"OTHER"'))
    for _ in range(2):  # the first has left no record of its own rules
        assert groups(kit("diff", "--json", **store)) == {"sender changed": 1}


def test_diff_without_a_record_asks_for_the_old_rules(kit):
    done = kit("diff")
    assert done.returncode == 2 and "--against DIR" in done.stderr


# ---- new, test


def test_new_makes_what_passes_check_test_and_luacheck(kit):
    done = kit("new", "shop-2", "--location", "GKA1")
    assert done.returncode == 0, done.stderr
    folder = kit.agencies / "shop-2"
    assert {line.removeprefix(f"{folder}/") for line in done.stdout.splitlines()} == {
        "rules.lua", "spec/rules_spec.lua", "fixtures/outbound.json", "fixtures/inbound.json", ".luacheckrc", ".luarc.json"}
    assert kit("check").returncode == 0
    tested = kit("test", "shop-2", "--json")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert json.loads(tested.stdout)["passed"] == 4  # one within the file, three beside it
    checked = subprocess.run(["luacheck", "."], cwd=folder, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    assert '"GKA1"' in (folder / "rules.lua").read_text()


def test_new_makes_events_that_run(kit):
    kit("new", "shop")
    for fixture in ("outbound", "inbound"):
        done = kit("run", "--event", kit.agencies / f"shop/fixtures/{fixture}.json", "--now", NOON, "--json")
        assert done.returncode == 0, done.stderr


def test_new_points_editors_to_the_stubs(kit):
    kit("new", "shop")
    settings = json.loads((kit.agencies / "shop/.luarc.json").read_text())
    library = [pathlib.Path(path) for path in settings["workspace.library"]]
    assert all(path.exists() for path in library)
    modules = [module for path in library for module in (path.glob("*.lua") if path.is_dir() else [path])]
    named = {line for module in modules for line in module.read_text().splitlines() if line.startswith("---@meta")}
    # Under other names than their paths: what rules and specs require.
    expected = {f"---@meta bascule.{module.stem}" for module in modules if module.stem not in ("rules", "default")}
    assert named == expected | {"---@meta"} and {"---@meta bascule.text", "---@meta bascule.testing"} <= named


def test_new_refuses_a_folder_that_is_there(kit):
    done = kit("new", "acme")
    assert done.returncode == 2 and "is there already" in done.stderr
    assert (kit.agencies / "acme/rules.lua").read_text() == RULE


@pytest.mark.parametrize("slug", ["../acme", "Shop", "a b", "-x", "default", "x" * 65])
def test_new_refuses_what_is_no_slug(kit, slug):
    assert kit("new", slug).returncode == 2
    assert [folder.name for folder in kit.agencies.iterdir()] == ["acme"]


def test_luacheck_of_a_new_agency_refuses_globals(kit):
    kit("new", "shop")
    rules = kit.agencies / "shop/rules.lua"
    rules.write_text(rules.read_text().replace("message.body = text", "os.exit() counter = 1 message.body = text"))
    checked = subprocess.run(["luacheck", "--no-color", "."], cwd=rules.parent, capture_output=True, text=True)
    assert "'os'" in checked.stdout and "'counter'" in checked.stdout and "2 warnings" in checked.stdout


def test_test_counts_all_tests_of_a_file_and_says_why_one_fails(kit):
    rules = RULE.replace("\n}\n", """
  tests = {
    ["one"] = function(t) t.equal(t.outbound { body = "no" }.action, "send") end,
    ["two"] = function(t) t.equal(t.outbound { body = "no" }.action, "reject") end,
    ["three"] = function(t) error "oh" end,
  },
}
""")
    (kit.agencies / "acme/rules.lua").write_text(rules)
    done = kit("test", "--json")
    assert done.returncode == 1
    agency, = json.loads(done.stdout)["agencies"]
    assert agency["passed"] == 1
    assert {failure["name"]: "rules.lua:" in failure["what"] for failure in agency["failures"]} == {"one": True, "three": True}


def test_test_shows_the_lines_of_a_failure(kit):
    tests = """
  tests = {
    ["one"] = function(t)
      t.equal(1, 2)
    end,
  },
}
"""
    (kit.agencies / "acme/rules.lua").write_text(RULE.replace("\n}\n", tests))
    lines = kit("test").stdout.splitlines()
    assert [line.strip() for line in lines if " | " in line] == [
        '16 |     ["one"] = function(t)', "> 17 |       t.equal(1, 2)", "18 |     end,"]


def test_test_runs_specs_beside_the_file(kit):
    (kit.agencies / "acme/spec").mkdir()
    (kit.agencies / "acme/spec/rules_spec.lua").write_text("""
local testing = require "bascule.testing"
local t = testing.t(testing.load(testing.folder() .. "/rules.lua"))
it("is right", function() assert.rejects(t.outbound { body = "no" }, "not today") end)
it("is wrong", function() assert.rejects(t.outbound { body = "yes" }) end)
""")
    done = kit("test")
    assert done.returncode == 1
    assert "acme: 1 passed, 1 failed" in done.stdout
    assert "is wrong" in done.stdout and "expected the message to be rejected" in done.stdout


def test_test_of_a_file_that_does_not_load(kit):
    (kit.agencies / "acme/rules.lua").write_text("return {")
    done = kit("test")
    assert done.returncode == 1
    assert "acme/rules.lua:1:" in done.stdout
    assert "> 1 | return {" in done.stdout


def test_test_of_no_such_agency(kit):
    done = kit("test", "acne")
    assert done.returncode == 2 and "did you mean 'acme'?" in done.stderr
