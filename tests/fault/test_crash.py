"""The server is killed at random moments under load; afterwards the provider's ledger must agree with what was promised.

Promise: a message that got its 200 is sent; it is asked of the provider twice only where its timeline says that an
outcome was unknown."""

import os
import random
import threading
import time

from support.programs import LOCATION, eventually, payload

KILLS = int(os.environ.get("BASCULE_TEST_KILLS", "30"))


class Load(threading.Thread):
    """Posts one message after another and remembers which were acknowledged."""

    def __init__(self, server, name):
        super().__init__(daemon=True)
        self.server, self.label = server, name
        self.acknowledged = {}
        self.ending = threading.Event()

    def run(self):
        number = 0
        while not self.ending.is_set():
            number += 1
            message = payload(contactId=f"{self.label}-{number % 7}", message=f"{self.label} {number}")
            while not self.ending.is_set():  # as GHL does: the same message again until it is acknowledged
                try:
                    answer = self.server.webhook(message, timeout=5)
                except OSError:
                    time.sleep(0.02)
                    continue
                if answer.status == 200:
                    self.acknowledged[message["messageId"]] = answer.json["id"]
                    break
                time.sleep(0.05)
            time.sleep(0.01)


def test_killed_at_random_moments_nothing_acknowledged_is_lost(programs):
    simulator = programs.simulator()
    server = programs.bascule(simulator, BASCULE_LEASE_MS=1500, BASCULE_CLIENT_TIMEOUT_MS=1000, BASCULE_RECEIPT_POLL_MS=500)
    server.connect(simulator)
    server.environment["BASCULE_LISTEN"] = f"127.0.0.1:{server.port}"
    simulator.faults(cast={"latency_ms": 250})
    chance = random.Random(20260102)
    loads = [Load(server, name) for name in ("a", "b", "c", "d")]
    for load in loads:
        load.start()
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.15, 0.9))
        server.kill()
        server.start()
    for load in loads:
        load.ending.set()
    for load in loads:
        load.join(30)
    acknowledged = {external: id_ for load in loads for external, id_ in load.acknowledged.items()}
    assert len(acknowledged) > KILLS

    def waiting():
        return not any(server.admin("GET", f"/messages?status={state}").json["messages"] for state in ("queued", "sending"))

    eventually(waiting, 120, "all messages to be settled", every=0.5)
    asked = {}
    for send in simulator.state()["sends"]:
        asked[send["idempotency_key"]] = asked.get(send["idempotency_key"], 0) + send["asked"]
    lost = [external for external in acknowledged if f"{LOCATION}:{external}" not in asked]
    assert lost == [], f"{len(lost)} of {len(acknowledged)} acknowledged messages never reached the provider"
    twice = 0
    for external, message_id in acknowledged.items():
        if asked[f"{LOCATION}:{external}"] > 1:
            twice += 1
            events = server.message(message_id)["events"]
            outcomes = [(event.get("data") or event).get("outcome") for event in events if event["kind"] == "attempt"]
            assert "unknown" in outcomes, (message_id, outcomes)
    print(f"{KILLS} kills, {len(acknowledged)} acknowledged, {twice} asked twice, each with an unknown outcome recorded")
