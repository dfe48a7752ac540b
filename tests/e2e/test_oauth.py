"""Installing, states, tokens: against the simulator's single-use refresh tokens."""

import json
import sqlite3
import threading

import pytest

from support import web
from support.programs import LOCATION, Bascule, eventually, new_seal_key, payload


@pytest.mark.parametrize("path", ["/oauth-callback", "/oauth/callback", "/api/oauth/callback",
                                  "/oauth/callback/highlevel", "/ghl/callback"])
def test_a_callback_without_code_is_400_under_every_alias(bascule, path):
    answer = bascule.call("GET", path)
    assert answer.status == 400 and b"code" in answer.body


def test_an_exchange_that_fails_is_500_with_the_reason(bascule):
    answer = bascule.call("GET", "/oauth-callback?code=never-issued")
    assert answer.status == 500
    assert b"never-issued" not in answer.body


def test_a_state_counts_once(bascule, simulator):
    authorize = bascule.call("GET", "/install").headers["location"]
    callback = web.call("GET", authorize + f"&approve={LOCATION}").headers["location"]
    assert web.call("GET", callback).status == 200
    again = web.call("GET", authorize + f"&approve={LOCATION}").headers["location"]
    assert web.call("GET", again).status in (400, 403), "the state was used"


def test_a_forged_state_is_refused(bascule):
    assert bascule.call("GET", "/oauth-callback?code=x&state=forged").status in (400, 403)


def test_an_install_without_state_follows_the_policy(programs, simulator):
    lenient = programs.bascule(simulator)
    code = web.call("GET", lenient.call("GET", "/install").headers["location"] + f"&approve={LOCATION}")
    callback = code.headers["location"].split("&state=")[0]
    assert web.call("GET", callback).status == 200
    lenient.stop()
    strict = programs.bascule(simulator, BASCULE_INSTALL_STATE_POLICY="require", log="strict.log")
    assert strict.call("GET", "/oauth-callback?code=x").status in (400, 403)


def test_tokens_are_sealed_in_the_file_and_never_shown(bascule, simulator):
    listed = bascule.admin("GET", "/installations")
    assert [i["location"] for i in listed.json["installations"]] == [LOCATION]
    assert "access_token" not in listed.body.decode() and "refresh_token" not in listed.body.decode()
    tokens = simulator.state()["tokens"].get("issued", [])
    stored = b"".join(path.read_bytes() for path in bascule.folder.glob("bascule.db*"))
    everything = stored + bascule.log().encode() + listed.body
    for token in tokens:
        assert token.encode() not in everything
    assert b"s1.t1." in stored, "sealed text names its key"


def expire(bascule):
    """Lets every access token be over, as if a day had passed."""
    with sqlite3.connect(bascule.folder / "bascule.db", timeout=10) as database:
        database.execute("UPDATE installation SET expires_ms = 1000")


def test_an_expired_token_is_refreshed_before_the_call(bascule, simulator):
    bascule.stop()
    expire(bascule)
    bascule.start()
    message = bascule.wait_for(bascule.webhook(payload()).json["id"], "delivered")
    eventually(lambda: simulator.state()["statuses"].get(message["external_id"]), 10, "GHL to hear of it")
    assert simulator.state()["tokens"]["refreshes"] == 1
    log = bascule.log()
    assert "[REFRESH]" in log


def test_a_revoked_refresh_token_turns_the_installation_invalid_and_deletes_nothing(bascule, simulator):
    bascule.stop()
    expire(bascule)
    simulator.faults(ghl={"revoke": True})
    bascule.start()
    bascule.wait_for(bascule.webhook(payload()).json["id"], "sent", "delivered")
    invalid = eventually(lambda: [i for i in bascule.admin("GET", "/installations").json["installations"]
                                  if i["status"] == "invalid"], 15, "the installation to be invalid")
    assert "reconnect" in invalid[0]["reason"].lower()
    assert "[REFRESH-FAIL]" in bascule.log()
    with sqlite3.connect(bascule.folder / "bascule.db") as database:
        assert database.execute("SELECT count(*) FROM installation WHERE refresh_token IS NOT NULL").fetchone() == (1,)


def test_two_processes_refresh_one_expired_installation_once(programs, simulator, tmp_path):
    """Both are asked at the same moment; the token endpoint sees one refresh."""
    seal = new_seal_key()
    first = programs.bascule(simulator, BASCULE_SEAL_KEYS=seal)
    first.connect(simulator)
    first.stop()
    for round_ in range(5):
        expire(first)
        before = simulator.state()["tokens"]["refreshes"]
        simulator.faults(ghl={"latency_ms": 300})
        pair = [programs.bascule(simulator, BASCULE_SEAL_KEYS=seal, log=f"{name}-{round_}.log") for name in "ab"]
        answers = []

        def refresh(server):
            answers.append(server.admin("POST", f"/installations/{LOCATION}/test"))

        threads = [threading.Thread(target=refresh, args=(server,)) for server in pair for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answer.status for answer in answers] == [200] * 8, [answer.body for answer in answers]
        assert simulator.state()["tokens"]["refreshes"] == before + 1
        assert simulator.state()["tokens"]["invalid_grants"] == 0
        for server in pair:
            server.stop()


def test_keys_rotate_without_downtime(programs, simulator):
    old, new = new_seal_key("old"), new_seal_key("new")
    bascule = programs.bascule(simulator, BASCULE_SEAL_KEYS=old)
    bascule.connect(simulator)
    bascule.stop()
    bascule.environment["BASCULE_SEAL_KEYS"] = f"{new},{old}"
    bascule.start()
    rotated = bascule.command("keys", "rotate")
    assert rotated.returncode == 0, rotated.stderr
    bascule.stop()
    bascule.environment["BASCULE_SEAL_KEYS"] = new
    bascule.start()
    message = bascule.wait_for(bascule.webhook(payload()).json["id"], "delivered")
    eventually(lambda: simulator.state()["statuses"].get(message["external_id"]), 10)
    assert old.split(":")[1] not in json.dumps(list(bascule.events()))
