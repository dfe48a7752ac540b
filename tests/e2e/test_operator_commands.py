"""What an operator does by command: rotate keys, check and take back rules, replay, and mistakes on the command line."""

import json
import sqlite3
import subprocess

import pytest

from support.programs import BINARY, LOCATION, clean_environment, eventually, new_seal_key, payload

RULE = 'return { locations = { "%s" }, outbound = function(m) m.body = "%s"; return m end }'


def run(*arguments, **environment):
    return subprocess.run([BINARY, *arguments], env=clean_environment(**environment), capture_output=True, text=True,
                          timeout=60, cwd="/")


def sealed_texts(folder) -> list:
    with sqlite3.connect(f"file:{folder}/bascule.db?mode=ro", uri=True) as store:
        tokens = store.execute("SELECT access_token FROM installation UNION SELECT refresh_token FROM installation")
        settings = store.execute("SELECT value FROM setting WHERE sealed")
        return [row[0] for row in [*tokens, *settings] if row[0]]


def test_keys_rotate_while_the_server_runs_and_the_old_one_may_go(programs, simulator):
    old, new = new_seal_key("old"), new_seal_key("new")
    bascule = programs.bascule(simulator, BASCULE_SEAL_KEYS=old)
    bascule.connect(simulator)
    settings = bascule.admin("PUT", f"/locations/{LOCATION}/settings", {"cast_api_key": "cast_of_the_location"})
    assert settings.status == 200, settings.body
    assert all(text.startswith("s1.old.") for text in sealed_texts(bascule.folder))

    rotated = bascule.command("keys", "rotate", BASCULE_SEAL_KEYS=f"{new},{old}")
    assert rotated.returncode == 0, rotated.stderr
    texts = sealed_texts(bascule.folder)
    assert len(texts) >= 3 and all(text.startswith("s1.new.") for text in texts), texts
    again = bascule.command("keys", "rotate", BASCULE_SEAL_KEYS=new)
    assert again.returncode == 0 and again.stdout.startswith("0 sealed anew"), again.stdout

    assert bascule.stop() == 0
    bascule.environment["BASCULE_SEAL_KEYS"] = new
    bascule.start()
    bascule.wait_for(bascule.webhook(payload()).json["id"], "delivered")
    assert simulator.state()["sends"][-1]["message"] == "Kumusta"


def test_a_key_that_is_lost_is_told_of_and_nothing_is_changed(programs, simulator):
    bascule = programs.bascule(simulator)
    bascule.connect(simulator)
    before = sealed_texts(bascule.folder)
    rotated = bascule.command("keys", "rotate", BASCULE_SEAL_KEYS=new_seal_key("other"))
    assert rotated.returncode == 1 and LOCATION in rotated.stderr
    assert sealed_texts(bascule.folder) == before


def test_rules_check_names_file_and_line(tmp_path):
    folder = tmp_path / "agencies" / "acme"
    folder.mkdir(parents=True)
    (folder / "rules.lua").write_text(RULE % (LOCATION, "fine"))
    good = run("rules", "check", BASCULE_AGENCIES=tmp_path / "agencies")
    assert good.returncode == 0 and "acme/rules.lua" in good.stdout and LOCATION in good.stdout, good.stdout + good.stderr
    (folder / "rules.lua").write_text("return {\n  locations = {\n  outbound = =\n}")
    bad = run("rules", "check", BASCULE_AGENCIES=tmp_path / "agencies")
    assert bad.returncode == 1 and "acme/rules.lua:3" in bad.stdout, bad.stdout
    assert "  2 |   locations = {\n           > 3 |   outbound = =\n             4 | }\n" in bad.stdout, bad.stdout
    told = json.loads(run("rules", "check", "--json", BASCULE_AGENCIES=tmp_path / "agencies").stdout)
    assert any(file["last_error"] for file in told["files"])


def test_rules_list_shows_a_broken_file_of_the_server(bascule):
    bascule.environment["BASCULE_LISTEN"] = f"127.0.0.1:{bascule.port}"
    bascule.rule("acme", "return {\n  locations = {\n  outbound = =\n}")
    listed = eventually(lambda: (lambda out: out if "FAULT" in out else None)(bascule.command("rules", "list").stdout), 5,
                        "the fault to be listed", every=0.2)
    assert "acme/rules.lua:3" in listed and "> 3 |   outbound = =" in listed, listed


def test_rules_are_listed_and_taken_back_on_the_running_server(bascule, simulator):
    bascule.environment["BASCULE_LISTEN"] = f"127.0.0.1:{bascule.port}"

    def current():
        return json.loads(bascule.command("rules", "list", "--json").stdout)["current"]

    def sent(text):
        message = bascule.wait_for(bascule.webhook(payload()).json["id"], "sent", "delivered")
        return message["sent"]["body"] == text

    generations = [current()]
    for text in ("first", "second"):
        bascule.rule("acme", RULE % (LOCATION, text))
        eventually(lambda: current() != generations[-1], 5, "the rule to be loaded")
        generations.append(current())
    eventually(lambda: sent("second"), 5, "the second rule")
    back = bascule.command("rules", "rollback")
    assert back.returncode == 0 and generations[1]["id"] in back.stdout, back.stdout + back.stderr
    assert current() == generations[1]
    eventually(lambda: sent("first"), 5, "the first rule again")
    assert bascule.command("rules", "rollback", "000000000000").returncode == 1
    assert bascule.command("rules", "list", BASCULE_ADMIN_TOKEN="wrong").returncode == 1


def test_rules_list_without_a_server_says_so():
    listed = run("rules", "list", BASCULE_LISTEN="127.0.0.1:1", BASCULE_ADMIN_TOKEN="x")
    assert listed.returncode == 1 and "no server answers" in listed.stderr, listed.stderr


def test_a_rejected_message_is_replayed_by_command(bascule, simulator):
    bascule.rule("acme", 'return { locations = { "%s" }, outbound = function(m, c) return c.reject "no" end }' % LOCATION)
    eventually(lambda: "acme" in bascule.admin("GET", "/scripts").body.decode(), 5, "the rule to be loaded")
    message_id = bascule.webhook(payload()).json["id"]
    bascule.wait_for(message_id, "rejected")
    (bascule.agencies / "acme" / "rules.lua").unlink()
    eventually(lambda: "acme" not in bascule.admin("GET", "/scripts").body.decode(), 5, "the rule to be gone")
    replayed = bascule.command("message", "replay", message_id, "--json")
    assert replayed.returncode == 0 and json.loads(replayed.stdout) == {"id": message_id, "status": "queued"}
    bascule.wait_for(message_id, "delivered")
    timeline = bascule.command("message", "show", message_id).stdout
    for kind in ("received", "rejected", "replayed", "attempt", "receipt", "report"):
        assert kind in timeline, timeline


def test_the_list_by_command_pages_as_the_api_does(programs):
    bascule = programs.bascule(BASCULE_DELIVERY_WORKERS=0)
    sent = [bascule.webhook(payload(message=f"number {n}")).json["id"] for n in range(5)]
    first = json.loads(bascule.command("message", "list", "--limit", "3", "--json").stdout)
    rest = json.loads(bascule.command("message", "list", f"--cursor={first['next']}", "--json").stdout)
    assert [message["id"] for message in first["messages"] + rest["messages"]] == sent[::-1]
    assert rest["next"] is None
    by_api = bascule.admin("GET", "/messages?limit=3").json["messages"]
    assert by_api == first["messages"]
    shown = json.loads(bascule.command("message", "show", sent[0], "--json").stdout)
    assert shown == bascule.message(sent[0])


@pytest.mark.parametrize("arguments, words", [
    (["message", "list", "--jsn"], ["unknown option", "--json"]),
    (["message", "show"], ["show ID"]),
    (["message", "list", "--limit", "many"], ["--limit"]),
    (["message", "list", "--status", "dedd"], ["dedd", "did you mean 'dead'?"]),
    (["keys", "knew"], ["new or rotate"]),
    (["simulate", "--no-such-option", "1"], ["no-such-option"]),
    (["simulate", "word"], ["word"]),
    (["rules", "chek"], ["unknown command", "check"]),
    (["rules", "list", "now"], ["'now'", "rules list --help"]),
    (["serve", "now"], ["'now'"]),
    ([], ["usage"]),
])
def test_mistakes_are_told_in_a_line_and_exit_2(arguments, words):
    done = run(*arguments)
    assert done.returncode == 2, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
