"""What is away comes back: provider, GHL, disk, lock, clock. Nothing acknowledged is lost meanwhile."""

import os
import shutil
import sqlite3
import subprocess
import time

import pytest

from support.programs import LOCATION, Bascule, Simulator, eventually, payload


def test_the_provider_is_down_for_a_while(programs, tmp_path):
    simulator = programs.simulator()
    bascule = programs.bascule(simulator, BASCULE_GATE_OPEN_MS=100, BASCULE_GATE_OPEN_MOST_MS=500)
    bascule.connect(simulator)
    port = simulator.port
    simulator.stop()
    ids = [bascule.webhook(payload(contactId=f"c{n}")).json["id"] for n in range(40)]
    time.sleep(3)
    assert all(bascule.message(i)["status"] in ("queued", "sending") for i in ids[:5])
    simulator.arguments[simulator.arguments.index("--port") + 1] = str(port)
    simulator.start()
    for message_id in ids:
        bascule.wait_for(message_id, "sent", "delivered", seconds=60)
    assert sorted(send["asked"] for send in simulator.state()["sends"]) == [1] * 40


def test_ghl_is_down_for_a_while_and_messages_go_out_all_the_same(bascule, simulator):
    simulator.faults(ghl={"status": 503})
    ids = [bascule.webhook(payload(contactId=f"c{n}")).json["id"] for n in range(20)]
    done = [bascule.wait_for(message_id, "delivered", seconds=30) for message_id in ids]
    simulator.faults(ghl={})
    for message in done:
        eventually(lambda: "delivered" in [entry["status"] for entry in
                                           simulator.state()["statuses"].get(message["external_id"], [])],
                   90, "GHL to hear of it once it is back", every=0.2)


def test_a_dropped_answer_is_an_unknown_outcome_and_the_key_keeps_it_one_message(bascule, simulator):
    simulator.faults(cast={"drop": 1, "times": 1})
    done = bascule.wait_for(bascule.webhook(payload()).json["id"], "delivered", seconds=60)
    outcomes = [(e.get("data") or e)["outcome"] for e in done["events"] if e["kind"] == "attempt"]
    assert outcomes == ["unknown", "accepted"]
    sends = simulator.state()["sends"]
    assert len(sends) == 1 and sends[0]["asked"] == 2


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder],
                                           capture_output=True).returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_answers_429_and_loses_nothing(programs, small_disk):
    bascule = programs.bascule(BASCULE_DELIVERY_WORKERS=0, BASCULE_STORE=f"sqlite:{small_disk}/bascule.db")
    accepted, refused = [], None
    for _ in range(3000):
        answer = bascule.webhook(payload(message="x" * 8000))
        if answer.status != 200:
            refused = answer
            break
        accepted.append(answer.json["id"])
    assert refused is not None and refused.status == 429, refused
    assert int(refused.headers["retry-after"]) >= 1
    assert bascule.call("GET", "/readyz").status == 503
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    eventually(lambda: bascule.webhook(payload()).status == 200, 10, "room again")
    for message_id in accepted:
        bascule.message(message_id)
    bascule.kill()
    bascule.start()
    for message_id in accepted:
        assert bascule.message(message_id)["status"] == "queued"


def test_a_locked_file_answers_429(programs):
    bascule = programs.bascule(BASCULE_DELIVERY_WORKERS=0, BASCULE_STORE_BUSY_MS=200)
    assert bascule.webhook(payload()).status == 200
    other = sqlite3.connect(bascule.folder / "bascule.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        answer = bascule.webhook(payload())
        assert answer.status == 429 and int(answer.headers["retry-after"]) >= 1, answer
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert bascule.webhook(payload()).status == 200


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")
@pytest.mark.skipif("san" in os.environ.get("BASCULE_BINARY", ""), reason="faketime and sanitizers both preload")
@pytest.mark.parametrize("step", ["+2h", "-2h"])
def test_the_clock_is_stepped(programs, tmp_path, step):
    """The wall clock jumps while messages wait and move; each is still sent once."""
    simulator = programs.simulator()
    stamp = tmp_path / "faketimerc"
    stamp.write_text("+0\n")
    library = next(iter(sorted(p for p in ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
                                           "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1") if os.path.exists(p))))
    bascule = programs.bascule(simulator, LD_PRELOAD=library, FAKETIME_TIMESTAMP_FILE=stamp, FAKETIME_NO_CACHE=1,
                               FAKETIME_DONT_FAKE_MONOTONIC=1)
    bascule.connect(simulator)
    simulator.faults(cast={"latency_ms": 500})
    ids = [bascule.webhook(payload(contactId=f"c{n % 10}")).json["id"] for n in range(30)]
    stamp.write_text(f"{step}\n")
    ids += [bascule.webhook(payload(contactId=f"d{n}")).json["id"] for n in range(10)]
    for message_id in ids:
        bascule.wait_for(message_id, "sent", "delivered", seconds=60)
    assert [send["asked"] for send in simulator.state()["sends"]] == [1] * 40
