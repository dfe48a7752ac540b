"""The command line: configuration faults, help, JSON, and signals."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from support.programs import BINARY, ROOT, clean_environment, new_seal_key, payload


def run(*arguments, **environment):
    return subprocess.run([BINARY, *arguments], env=clean_environment(**environment), capture_output=True, text=True,
                          timeout=60, cwd="/")


def test_every_configuration_fault_is_one_line_and_exit_2():
    done = run("serve", BASCULE_LISTN="127.0.0.1:1", BASCULE_WORKERS="many", GHL_CLIENT_IDD="x", BASCULE_SEAL_KEYS="nonsense")
    assert done.returncode == 2
    assert "BASCULE_LISTN" in done.stderr and "did you mean BASCULE_LISTEN" in done.stderr
    assert "BASCULE_WORKERS" in done.stderr and "GHL_CLIENT_ID" in done.stderr
    assert "Traceback" not in done.stderr


def test_seal_keys_are_needed_to_serve():
    done = run("serve", BASCULE_STORE="sqlite:/nonexistent/x.db")
    assert done.returncode == 2 and "BASCULE_SEAL_KEYS" in done.stderr and "keys new" in done.stderr


def test_a_setting_may_come_from_a_file(tmp_path, programs):
    (tmp_path / "token").write_text("token-from-a-file\n")
    server = programs.bascule(BASCULE_ADMIN_TOKEN=None, BASCULE_ADMIN_TOKEN_FILE=tmp_path / "token")
    answer = server.call("GET", "/admin/v1/messages", headers={"authorization": "Bearer token-from-a-file"})
    assert answer.status == 200


def test_a_mongodb_address_needs_a_database():
    done = run("serve", BASCULE_STORE="mongodb://me:hidden@127.0.0.1:1", BASCULE_SEAL_KEYS=new_seal_key())
    assert done.returncode == 2 and "BASCULE_STORE" in done.stderr and "DATABASE" in done.stderr
    assert "hidden" not in done.stderr


def test_a_mongodb_that_is_away_is_a_fault_in_words():
    done = run("serve", BASCULE_STORE="mongodb://me:hidden@127.0.0.1:1/x", BASCULE_STORE_BUSY_MS=200,
               BASCULE_SEAL_KEYS=new_seal_key())
    assert done.returncode == 1 and "store" in done.stderr
    assert "hidden" not in done.stderr


def test_help_everywhere_and_unknown_commands_suggest():
    assert run("--help").returncode == 0
    for command in ("serve", "check", "simulate", "rules", "message", "keys", "version", "lua"):
        shown = run(command, "--help")
        assert shown.returncode == 0 and command in shown.stdout, command
    wrong = run("serv")
    assert wrong.returncode == 2 and "serve" in wrong.stderr


ACTIONS = ("check", "new", "run", "test", "diff", "list", "publish", "promote", "withdraw", "unpublish", "history", "show",
           "rollback")


@pytest.mark.parametrize("command", [
    *((name,) for name in ("serve", "check", "simulate", "message", "keys", "version", "lua")),
    *(("rules", action) for action in ACTIONS),
], ids=" ".join)
def test_help_has_examples_with_options_that_there_are(command):
    text, examples = run(*command, "--help").stdout.split("\nExamples:\n")
    assert " ".join(("bascule", *command)) in examples
    for option in re.findall(r"--\w[\w-]*", examples):
        assert option in text, option


def test_check_masks_secrets(tmp_path):
    key = new_seal_key()
    done = run("check", BASCULE_SEAL_KEYS=key, BASCULE_STORE=f"sqlite:{tmp_path}/x.db", CAST_API_KEY="cast_very_secret",
               BASCULE_AGENCIES=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cast_very_secret" not in done.stdout + done.stderr and key.split(":")[1] not in done.stdout
    assert isinstance(json.loads(run("check", "--json", BASCULE_SEAL_KEYS=key, BASCULE_STORE=f"sqlite:{tmp_path}/x.db",
                                     BASCULE_AGENCIES=tmp_path).stdout), dict)


def test_messages_by_command_while_the_server_runs(bascule):
    message_id = bascule.webhook(payload()).json["id"]
    bascule.wait_for(message_id, "delivered")
    shown = bascule.command("message", "show", message_id)
    assert shown.returncode == 0 and "delivered" in shown.stdout and "\x1b[" not in shown.stdout
    assert json.loads(bascule.command("message", "show", message_id, "--json").stdout)["id"] == message_id
    assert message_id in bascule.command("message", "list").stdout
    assert bascule.command("message", "show", "m0000000000000").returncode == 1
    assert bascule.command("message", "replay", message_id).returncode == 1


def test_sigterm_drains_and_ends_with_0(bascule, simulator):
    simulator.faults(cast={"latency_ms": 1500})
    message_id = bascule.webhook(payload()).json["id"]
    bascule.wait_for(message_id, "sending")
    os.kill(bascule.process.pid, signal.SIGTERM)
    started = time.monotonic()
    assert bascule.process.wait(20) == 0
    assert time.monotonic() - started < 15
    shown = json.loads(bascule.command("message", "show", message_id, "--json").stdout)
    assert shown["status"] == "sent", "what was under way was settled"


def test_a_key_is_new_each_time():
    first, second = run("keys", "new").stdout.strip(), run("keys", "new").stdout.strip()
    assert first != second and ":" in first


def test_every_setting_has_its_line_in_the_table_for_users():
    table = (ROOT / "docs/settings.md").read_text()
    names = re.findall(r'\{\.name = "([A-Z0-9_]+)"', (ROOT / "host/base/settings.c").read_text())
    assert len(names) > 50 and [name for name in names if f"| `{name}`" not in table] == []
