"""The main job, over the wire: a signed GHL message reaches the provider through a rule, and GHL hears its status."""

from support.programs import LOCATION, eventually, kinds, payload


def reports(simulator, external_id):
    return [entry["status"] for entry in simulator.state()["statuses"].get(external_id, [])]


def test_a_signed_message_is_delivered_and_ghl_hears_it(bascule, simulator):
    message = payload(message="Kumusta ka?")
    answer = bascule.webhook(message)
    assert (answer.status, answer.json["status"]) == (200, "queued")

    done = bascule.wait_for(answer.json["id"], "delivered")
    sends = simulator.state()["sends"]
    assert [(send["to"], send["message"]) for send in sends] == [("09171234567", "Kumusta ka?")]
    assert sends[0]["idempotency_key"] == f"{LOCATION}:{message['messageId']}"
    # `pending` was heard on acceptance, `delivered` only after the receipt.
    eventually(lambda: reports(simulator, message["messageId"]) == ["pending", "delivered"], 10,
               "GHL to hear pending, then delivered")
    order = [kind for kind in kinds(bascule.message(done["id"])) if kind in ("received", "rule", "attempt", "receipt")]
    assert order[:3] == ["received", "rule", "attempt"] and order[-1] == "receipt", order


def test_the_same_message_twice_is_one_message_and_two_200s(bascule, simulator):
    message = payload()
    first, again = bascule.webhook(message), bascule.webhook(message)
    assert (again.status, again.json["status"]) == (200, "duplicate")
    assert again.json["id"] == first.json["id"]
    bascule.wait_for(first.json["id"], "delivered")
    assert len(simulator.state()["sends"]) == 1


def test_an_agencys_rule_rewrites_rejects_and_defers(bascule, simulator):
    bascule.rule("acme", """
return {
  locations = { "%s" },
  outbound = function(message, context)
    if message.body:find("refuse") then return context.reject("the word refuse is not sent") end
    if message.body:find("later") then
      return context.defer { until_ = context.now + 700, reason = "a little later" }
    end
    message.body = message.body .. " -- ACME"
    message.sender = "ACME"
    return message
  end,
}
""" % LOCATION)
    eventually(lambda: '"acme' in bascule.admin("GET", "/scripts").body.decode(), 3, "the agency to be loaded")

    sent = bascule.wait_for(bascule.webhook(payload(message="hello")).json["id"], "delivered")
    refused = bascule.wait_for(bascule.webhook(payload(message="refuse me")).json["id"], "rejected")
    deferred_id = bascule.webhook(payload(message="not now: later")).json["id"]
    deferred = bascule.wait_for(deferred_id, "deferred", "delivered")
    assert "deferred" in kinds(deferred)
    # The rule defers it again and again while its text says so: it must have waited at least once.
    assert refused["reason"] == "the word refuse is not sent"
    assert sent["sent"]["sender"] == "ACME"
    assert [send["message"] for send in simulator.state()["sends"]] == ["hello -- ACME"]


def test_a_rule_that_fails_names_file_and_line_and_can_be_replayed_once_mended(bascule, simulator):
    bascule.rule("acme", """
return {
  locations = { "%s" },
  outbound = function(message)
    return message.nothing.at_all
  end,
}
""" % LOCATION)
    eventually(lambda: '"acme' in bascule.admin("GET", "/scripts").body.decode(), 3, "the agency to be loaded")
    answer = bascule.webhook(payload())
    dead = bascule.wait_for(answer.json["id"], "dead", "rejected")
    assert "acme/rules.lua:5" in dead["reason"], dead["reason"]
    assert simulator.state()["sends"] == []

    bascule.rule("acme", 'return { locations = { "%s" }, outbound = function(m) return m end }' % LOCATION)
    assert bascule.admin("POST", "/reload").status == 200
    assert bascule.admin("POST", f"/messages/{dead['id']}/replay").status == 202
    bascule.wait_for(dead["id"], "delivered")
    assert len(simulator.state()["sends"]) == 1


def test_attachments_alone_are_sent_as_links(bascule, simulator):
    answer = bascule.webhook(payload(message=None, attachments=["https://files.example/a.jpg"]))
    assert answer.status == 200, answer.body
    bascule.wait_for(answer.json["id"], "delivered")
    assert "https://files.example/a.jpg" in simulator.state()["sends"][0]["message"]


def test_a_status_that_comes_too_early_is_reported_later(programs):
    simulator = programs.simulator(**{"early-403-ms": 1500})
    bascule = programs.bascule(simulator)
    bascule.connect(simulator)
    answer = bascule.call("POST", "/webhooks/ghl")  # warms nothing up: unsigned, refused
    assert answer.status == 401
    fired = simulator.call("POST", "/simulate/send", {"location": LOCATION, "phone": "+639171234567",
                                                     "message": "early", "bascule": bascule.url})
    assert fired.status == 200, fired.body
    listed = eventually(lambda: bascule.admin("GET", "/messages").json["messages"], 5)
    eventually(lambda: "delivered" in reports(simulator, listed[0]["external_id"]), 30,
               "GHL to take the status in the end")
    before = simulator.state()["tokens"]["refreshes"]
    assert before == 0, "an early 403 refreshes nothing"


def test_two_locations_of_a_company_install_get_tokens_of_their_own(programs):
    simulator = programs.simulator(location=f"{LOCATION},otherLocation0000001")
    bascule = programs.bascule(simulator)
    authorize = bascule.call("GET", "/install")
    from support import web
    chosen = web.call("GET", authorize.headers["location"] + "&approve=company")
    assert chosen.status == 302, chosen.body
    assert web.call("GET", chosen.headers["location"]).status == 200
    for location in (LOCATION, "otherLocation0000001"):
        answer = bascule.webhook(payload(locationId=location))
        message = bascule.wait_for(answer.json["id"], "delivered")
        eventually(lambda: reports(simulator, message["external_id"])[-1:] == ["delivered"], 10,
                   f"GHL to hear of the message of {location}")
