"""SIGTERM ends the program, whatever is under way."""

import os
import time

import pytest

from support.programs import LOCATION, eventually, payload

# A search that backtracks for longer than anybody lives, and of which no count of instructions sees anything.
STUCK = """return {
  locations = { "%s" },
  outbound = function(message)
    string.find(("a"):rep(300), ".-.-.-.-.-.-.-.-b")
    return message
  end,
}
"""


# The threads that a stop leaves behind are left on purpose; ThreadSanitizer would call them a leak.
TSAN_OPTIONS = os.environ.get("TSAN_OPTIONS", "") + ":report_thread_leaks=0"


def test_a_rule_that_never_returns_does_not_keep_the_program_from_ending(programs, simulator):
    bascule = programs.bascule(simulator, BASCULE_DRAIN_TIMEOUT_MS=1000, TSAN_OPTIONS=TSAN_OPTIONS)
    bascule.connect(simulator)
    bascule.rule("stuck", STUCK % LOCATION)
    eventually(lambda: "stuck" in bascule.admin("GET", "/scripts").body.decode(), 5, "the rule to be loaded")
    assert bascule.webhook(payload()).status == 200
    time.sleep(0.5)
    started = time.monotonic()
    assert bascule.stop(seconds=10) == 0
    assert time.monotonic() - started < 10


SLOW = """return {
  locations = { "%s" },
  outbound = function(message)
    for _ = 1, 1000000 do end
    return message
  end,
}
"""


@pytest.mark.parametrize("drain_ms", [1, 60000])
def test_messages_under_a_slow_rule_lose_nothing_by_a_stop(programs, simulator, drain_ms):
    """Some wait for a rule thread, some run, some come after: none is rejected because the process ended."""
    bascule = programs.bascule(simulator, BASCULE_DRAIN_TIMEOUT_MS=drain_ms, BASCULE_RULE_MS=10000,
                               BASCULE_RULE_INSTRUCTIONS=1000000000, BASCULE_RULE_THREADS=1,
                               BASCULE_LEASE_MS=5000, BASCULE_CLIENT_TIMEOUT_MS=4000,
                               TSAN_OPTIONS=TSAN_OPTIONS)
    bascule.connect(simulator)
    bascule.rule("slow", SLOW % LOCATION)
    assert bascule.admin("POST", "/reload").status == 200
    ids = [bascule.webhook(payload()).json["id"] for _ in range(20)]
    assert bascule.stop(seconds=90) == 0
    bascule.start()
    for message_id in ids:
        bascule.wait_for(message_id, "delivered", seconds=60)
