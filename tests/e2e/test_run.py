"""`scripts/run --once`, the first command of the README, as somebody would type it whose output goes to a file."""

import json
import os
import pathlib
import subprocess

import pytest

from support.programs import PATIENCE, ROOT, clean_environment

DEMO = ROOT / "var" / "demo"

pytestmark = pytest.mark.skipif("BASCULE_BINARY" in os.environ, reason="it builds and runs build/bascule")


def run(*arguments) -> subprocess.CompletedProcess:
    # timeout ends it by SIGTERM, so that it takes its own programs along.
    command = ["timeout", "--kill-after=30", f"{600 * PATIENCE:g}", ROOT / "scripts" / "run", *arguments]
    return subprocess.run(command, env=clean_environment(), capture_output=True, text=True, cwd="/")


@pytest.fixture(scope="module")
def demonstration():
    done = run("--once")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_it_connects_delivers_and_shows_the_changed_rule(demonstration):
    first, second = demonstration.stdout.split("3. The rule changes while Bascule runs")
    assert "GET the callback        -> 200" in first
    for part, words in ((first, "-- Demo Agency"), (second, "-- changed while it ran")):
        assert f'cast accepted it: to 09171234567, "Kumusta! Your table is booked for 7 pm. {words}"' in part
        assert "GHL shows it as pending" in part
        assert "the provider's receipt: delivered" in part
        assert "GHL shows it as delivered" in part
    assert "rules.lua; live after " in second


def test_it_writes_plain_lines_where_no_terminal_is(demonstration):
    assert demonstration.stderr == ""
    assert not set(demonstration.stdout) & set("\x1b\r\b"), demonstration.stdout


def test_its_programs_ended_and_their_logs_tell_no_secret(demonstration):
    secrets = [(DEMO / name).read_text().strip() for name in ("admin-token", "seal-keys")]
    for name in ("serve.log", "simulate.log"):
        log = (DEMO / name).read_text()
        pids = [event["pid"] for event in map(json.loads, log.splitlines()) if event["event"] == "listening"]
        assert len(pids) == 1 and not pathlib.Path(f"/proc/{pids[0]}").exists(), log[-2000:]
        for text in (*secrets, "demo-secret", "cast_demo", "Kumusta", "9171234567", "Bearer"):
            assert text not in log, name


def test_an_option_that_is_none_is_refused():
    done = run("--onec")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "scripts/run: unknown option '--onec' (only --once is known)\n"
