"""1,000 reloads under load and the most eager garbage collector, broken files among them: no failed request, no message
that saw half a generation."""

import os
import random
import threading
import time

from support.programs import LOCATION, eventually, payload

RELOADS = int(os.environ.get("BASCULE_TEST_RELOADS", "1000"))

# Each generation writes its number twice: once from the file's head, once from inside the function, with enough work
# between them that a swap in the middle would show.
RULE = """
local head = "%(n)d"
return {
  locations = { "%(location)s" },
  outbound = function(message)
    local n = 0
    for i = 1, 2000 do n = n + i end
    message.body = head .. "/" .. "%(n)d"
    return message
  end,
}
"""
BROKEN = ("return {", "error('no')", "return { outbond = 1 }", "return 5", "local x = = 1")


def test_a_thousand_reloads_under_load(programs):
    simulator = programs.simulator(**{"cast-delay-ms": 0})
    bascule = programs.bascule(simulator, BASCULE_LUA_STRESS_GC="on")
    bascule.connect(simulator)
    bascule.rule("storm", RULE % {"n": 0, "location": LOCATION})
    eventually(lambda: '"storm' in bascule.admin("GET", "/scripts").body.decode(), 5)
    statuses, ids, ending = [], [], threading.Event()

    def load(name):
        number = 0
        while not ending.is_set():
            number += 1
            answer = bascule.webhook(payload(contactId=f"{name}-{number}"))
            statuses.append(answer.status)
            if answer.status == 200:
                ids.append(answer.json["id"])
            time.sleep(0.002)

    threads = [threading.Thread(target=load, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    chance = random.Random(7)
    for n in range(1, RELOADS + 1):
        text = chance.choice(BROKEN) if n % 10 == 5 else RULE % {"n": n, "location": LOCATION}
        bascule.rule("storm", text)
        answer = bascule.admin("POST", "/reload")
        assert answer.status == (422 if n % 10 == 5 else 200), (n, answer.body)
    ending.set()
    for thread in threads:
        thread.join()
    assert statuses and set(statuses) == {200}
    for message_id in ids:
        message = bascule.wait_for(message_id, "sent", "delivered", seconds=60)
        head, _, inside = message["sent"]["body"].partition("/")
        assert head == inside != "", message["sent"]
    print(f"{RELOADS} reloads, {len(ids)} messages")
