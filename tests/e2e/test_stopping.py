"""SIGTERM ends the program, whatever is under way."""

import os
import time

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


def test_a_rule_that_never_returns_does_not_keep_the_program_from_ending(programs, simulator):
    # The thread that hangs in the rule is left behind on purpose; ThreadSanitizer would call it a leak.
    options = os.environ.get("TSAN_OPTIONS", "") + ":report_thread_leaks=0"
    bascule = programs.bascule(simulator, BASCULE_DRAIN_TIMEOUT_MS=1000, TSAN_OPTIONS=options)
    bascule.connect(simulator)
    bascule.rule("stuck", STUCK % LOCATION)
    eventually(lambda: "stuck" in bascule.admin("GET", "/scripts").body.decode(), 5, "the rule to be loaded")
    assert bascule.webhook(payload()).status == 200
    time.sleep(0.5)
    started = time.monotonic()
    assert bascule.stop(seconds=10) == 0
    assert time.monotonic() - started < 10
