"""Two servers deliver from one SQLite file at once: each message is sent once, and conversations keep their order."""

import collections

from support.programs import LOCATION, eventually, new_seal_key, payload

LOCATIONS = [LOCATION, *(f"sharedLocation{n:06}" for n in range(4))]
CONVERSATIONS, PARTS = 40, 5


def test_two_servers_on_one_file_send_each_message_once_and_in_order(programs):
    simulator = programs.simulator(location=",".join(LOCATIONS), **{"cast-delay-ms": 50})
    key = new_seal_key()
    servers = [programs.bascule(simulator, log=f"bascule{n}.log", BASCULE_SEAL_KEYS=key) for n in range(2)]
    for location in LOCATIONS:
        servers[0].connect(simulator, location)
    ids = {}
    for part in range(PARTS):
        for conversation in range(CONVERSATIONS):
            server = servers[(part + conversation) % 2]
            sent = payload(locationId=LOCATIONS[conversation % len(LOCATIONS)], contactId=f"contact-{conversation}",
                           message=f"{conversation} {part}")
            answer = server.webhook(sent)
            assert answer.status == 200, answer.body
            ids[answer.json["id"]] = sent["message"]
            other = servers[(part + conversation + 1) % 2]
            assert other.webhook(sent).json == {"status": "duplicate", "id": answer.json["id"]}
    assert len(ids) == CONVERSATIONS * PARTS

    eventually(lambda: len(simulator.state()["sends"]) >= len(ids), 30, "all messages to be sent", every=0.2)
    messages = [servers[0].wait_for(message_id, "delivered", seconds=30) for message_id in ids]
    assert all([event["kind"] for event in message["events"]].count("attempt") == 1 for message in messages)
    texts = [send["message"] for send in simulator.state()["sends"]]
    assert sorted(texts) == sorted(ids.values()), "each message once, and nothing else"
    order = collections.defaultdict(list)
    for text in texts:
        conversation, part = text.split()
        order[conversation].append(int(part))
    assert all(parts == list(range(PARTS)) for parts in order.values()), order

    # Both took part: else this shows nothing of two.
    shares = [share_of(server) for server in servers]
    assert sum(shares) == len(ids) and min(shares) > 0, shares


def share_of(server) -> int:
    """How many sends the server settled as accepted."""
    name = 'bascule_outcomes_total{outcome="accepted"} '
    lines = server.call("GET", "/metrics").body.decode().splitlines()
    return next((int(float(line[len(name):])) for line in lines if line.startswith(name)), 0)
