"""What may come to the delivery URL, and what each gets: GHL's samples, odd ones, and everything malformed."""

import json
import socket

import pytest

from support.programs import Bascule, payload
from support.signing import Ecdsa, Ed25519, Hmac, Rsa


@pytest.fixture
def server(programs):
    """Accepts only: nothing is delivered, so what was stored can be looked at."""
    return programs.bascule(BASCULE_DELIVERY_WORKERS=0)


GOOD = {
    "SMS sample": payload(),
    "type Custom": payload(type="Custom"),
    "no userId": payload(userId=None),
    "attachments only": payload(message="", attachments=["https://files.example/a.png"]),
    "no attachments field": payload(attachments=None),
    "unknown fields": payload(surprise={"nested": [1, 2.5, None]}, timestamp="2026-01-02T03:04:05.678Z"),
    "unicode": payload(message="Mabuhay 🇵🇭 ₱100 — ñ \u0000 end"),
    "64 KB of text": payload(message="x" * 65536),
    "big integer": payload(reference=9007199254740993),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_payload_is_queued_and_kept_byte_for_byte(server, name):
    body = json.dumps(GOOD[name]).encode()
    answer = server.webhook(body)
    assert (answer.status, answer.json["status"]) == (200, "queued"), answer.body
    message = server.message(answer.json["id"])
    assert message["external_id"] == GOOD[name]["messageId"]
    assert message["status"] == "queued"


def test_email_is_acknowledged_and_ignored(server):
    answer = server.webhook({"contactId": "c", "locationId": "l", "messageId": "e1", "type": "Email",
                             "emailMessageId": "m", "emailTo": ["a@example.com"], "emailFrom": "b@example.com",
                             "html": "<p>hi</p>", "subject": "s", "attachments": []})
    assert (answer.status, answer.json["status"]) == (200, "ignored")
    assert server.admin("GET", "/messages").json["messages"] == []


BAD = {
    "not JSON": (b"{", 400),
    "empty": (b"", 400),
    "an array": (b"[]", 400),
    "bad UTF-8": (json.dumps(payload()).encode().replace(b"Kumusta", b"Kum\xff\xfesta"), 400),
    "deep nesting": (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
    "duplicate keys": (b'{"type":"SMS","type":"SMS","locationId":"l","messageId":"m","phone":"+639171234567",'
                       b'"message":"x","contactId":"c"}', 400),
    "NaN": (b'{"type":"SMS","locationId":"l","messageId":"m","phone":"1","message":NaN}', 400),
    "trailing bytes": (json.dumps(payload()).encode() + b"x", 400),
    "no messageId": (json.dumps(payload(messageId=None)).encode(), 400),
    "no locationId": (json.dumps(payload(locationId=None)).encode(), 400),
    "no phone": (json.dumps(payload(phone=None)).encode(), 400),
    "a number for a name": (json.dumps(payload(locationId=5)).encode(), 400),
    "neither text nor attachment": (json.dumps(payload(message="", attachments=[])).encode(), 400),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_payload_is_refused_in_words(server, name):
    body, status = BAD[name]
    answer = server.webhook(body)
    assert answer.status == status, answer.body
    error = answer.json["error"]
    assert error["code"] and error["message"] and error["request_id"]
    assert server.admin("GET", "/messages").json["messages"] == []


def test_the_field_that_is_missing_is_named(server):
    assert "messageId" in server.webhook(payload(messageId=None)).json["error"]["message"]


def test_too_large_a_body_is_413(programs):
    server = programs.bascule(BASCULE_DELIVERY_WORKERS=0, BASCULE_BODY_LIMIT_BYTES=70000)
    answer = server.webhook(payload(message="x" * 80000))
    assert (answer.status, answer.json["error"]["code"]) == (413, "body_too_large"), answer.body


def test_unsigned_wrong_and_altered_are_401_and_counted(server):
    body = json.dumps(payload(message="secret words")).encode()
    header = server.signer.header
    other = Ed25519().sign(body)
    good = server.signer.sign(body)
    for headers, sent in (({}, body), ({header: "N/A"}, body), ({header: "!!!"}, body), ({header: other}, body),
                          ({header: good}, body + b" "), ({header: good[:-4]}, body)):
        answer = server.call("POST", "/webhooks/ghl", sent, headers)
        assert answer.status == 401, (headers, answer.body)
        assert answer.json["error"]["code"] in ("missing_signature", "invalid_signature")
    metrics = server.call("GET", "/metrics").body.decode()
    refused = [line for line in metrics.splitlines() if line.startswith("bascule_webhooks_refused_total")]
    assert sum(int(line.rsplit(" ", 1)[1]) for line in refused) == 6, metrics
    assert "secret words" not in server.log()


@pytest.mark.parametrize("scheme", [Rsa, Ecdsa, Ed25519])
def test_each_kind_of_key_verifies_whatever_the_header(programs, scheme):
    signer = scheme()
    server = programs.bascule(signer=signer, BASCULE_DELIVERY_WORKERS=0)
    for header in ("x-ghl-signature", "x-wh-signature"):
        body = json.dumps(payload()).encode()
        answer = server.call("POST", "/webhooks/ghl", body, {header: signer.sign(body)})
        assert answer.status == 200, (header, answer.body)


def test_several_keys_at_once_and_a_shared_secret(programs):
    old, new, shared = Ed25519(), Rsa(), Hmac("a-shared-secret")
    server = programs.bascule(signer=old, GHL_WEBHOOK_PUBLIC_KEYS=old.pem + new.pem, GHL_WEBHOOK_SECRET="a-shared-secret",
                              BASCULE_DELIVERY_WORKERS=0)
    for signer in (old, new, shared):
        body = json.dumps(payload()).encode()
        assert server.call("POST", "/webhooks/ghl", body, {"x-ghl-signature": signer.sign(body)}).status == 200


def test_the_secret_in_the_path_is_off_by_default_and_never_logged(programs):
    secret = "a-long-secret-of-the-operator"
    plain = programs.bascule(BASCULE_DELIVERY_WORKERS=0)
    assert plain.call("POST", f"/webhooks/ghl/{secret}", payload()).status == 404
    plain.stop()
    server = programs.bascule(BASCULE_DELIVERY_WORKERS=0, BASCULE_WEBHOOK_PATH_SECRET=secret, log="with-secret.log")
    assert server.call("POST", f"/webhooks/ghl/{secret}", payload()).status == 200
    assert server.call("POST", "/webhooks/ghl/a-long-secret-of-another-one", payload()).status in (401, 404)
    assert server.call("POST", "/webhooks/ghl", payload()).status == 401
    assert secret not in server.log()


@pytest.mark.parametrize("path", ["/webhook", "/api/webhooks/ghl", "/api/ghl/v1/webhook/messages"])
def test_aliases(server, path):
    assert server.webhook(payload(), path=path).status == 200


def raw(server: Bascule, head: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), 10) as peer:
        peer.sendall(head)
        data = b""
        while chunk := peer.recv(65536):
            data += chunk
        return data


@pytest.mark.parametrize("fault", [
    b"Content-Length: 2\r\nContent-Length: 3\r\n",
    b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    b"X-Folded: a\r\n b\r\nContent-Length: 2\r\n",
])
def test_ambiguous_framing_is_refused_and_the_connection_closed(server, fault):
    answer = raw(server, b"POST /webhooks/ghl HTTP/1.1\r\nHost: x\r\n" + fault + b"\r\n{}")
    assert answer.startswith(b"HTTP/1.1 400"), answer


def test_a_request_without_host_is_refused(server):
    assert raw(server, b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_unknown_paths_and_methods(server):
    missing = server.call("GET", "/nowhere")
    assert (missing.status, missing.json["error"]["code"]) == (404, "not_found")
    wrong = server.call("GET", "/webhooks/ghl")
    assert wrong.status == 405 and "POST" in wrong.headers["allow"]


def test_health_paths(server):
    health = server.call("GET", "/health")
    assert health.status == 200 and {"status", "version", "uptime"} <= set(health.json)
    assert server.call("GET", "/healthz").status == 200
    assert server.call("GET", "/readyz").status == 200
    assert "# TYPE" in server.call("GET", "/metrics").body.decode()
