"""Starts the real programs, knows where they listen, and stops them by their own process id."""

import json
import os
import pathlib
import secrets
import base64
import signal
import subprocess
import time

from . import web
from .signing import Ed25519

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("BASCULE_BINARY", str(ROOT / "build" / "bascule"))
# A sanitized program is several times slower: tests wait longer for it, they never expect less of it.
PATIENCE = float(os.environ.get("BASCULE_TEST_PATIENCE", "1"))
LOCATION = "GKAWb4yu7A4LSc0skQ6g"
COMPANY = "GNb7aIv4rQFVb9iwNl5K"
ADMIN_TOKEN = "admin-token-of-the-tests"


def eventually(condition, seconds: float = 10, what: str = "", every: float = 0.02):
    """Returns the first true value of condition(); fails after `seconds` with what was seen last."""
    deadline = time.monotonic() + seconds * PATIENCE
    last = None
    while time.monotonic() < deadline:
        last = condition()
        if last:
            return last
        time.sleep(every)
    raise AssertionError(f"not within {seconds * PATIENCE:g} s: {what or condition}; last seen: {last!r}")


class Program:
    """A child process that logs JSON lines to a file and says "listening" with its port."""

    def __init__(self, arguments, environment, log_path):
        self.log_path = pathlib.Path(log_path)
        self.environment = environment
        self.arguments = [BINARY, *arguments]
        self.process = None
        self.port = None

    def start(self, wait: bool = True):
        offset = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.arguments, env=self.environment, stdout=log, stderr=log, cwd="/")
        if wait:
            self.port = eventually(lambda: self._listening(offset), 20, f"{self.arguments} to listen")
        return self

    def _listening(self, offset):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.arguments} ended with {self.process.returncode}:\n{self.log()[-4000:]}")
        for event in self.events(offset):
            if event.get("event") == "listening":
                return event["port"]
        return None

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def events(self, offset: int = 0):
        with open(self.log_path, "rb") as log:
            log.seek(offset)
            for line in log:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method, path, body=None, headers=None, **more) -> web.Answer:
        return web.call(method, self.url + path, body, headers, **more)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, seconds: float = 30) -> int:
        """SIGTERM; returns the exit status. A sanitizer's report in the log is a failure."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds * PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"did not end within {seconds} s of SIGTERM:\n{self.log()[-4000:]}")
        log = self.log()
        for report in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer"):
            assert report not in log, log[log.index(report) - 200 : log.index(report) + 6000]
        return self.process.returncode


def clean_environment(**settings) -> dict:
    keep = ("PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")
    environment = {name: os.environ[name] for name in keep if name in os.environ}
    environment.update({name: str(value) for name, value in settings.items() if value is not None})
    return environment


def new_seal_key(key_id: str = "t1") -> str:
    return f"{key_id}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


class Simulator(Program):
    """`bascule simulate`: GHL and Cast on loopback."""

    def __init__(self, folder, **options):
        self.seed = secrets.token_bytes(32)
        self.signer = Ed25519(self.seed)
        options = {"location": LOCATION, "company": COMPANY, "auto-approve": "on", "early-403-ms": 0,
                   "cast-delay-ms": 200, "rate-limit": 1000000, "client-id": "app1-suffix",
                   "client-secret": "simulated-secret", **options}
        arguments = ["simulate", "--port", "0", "--seed", self.seed.hex()]
        for name, value in options.items():
            arguments += [f"--{name}", str(value)]
        super().__init__(arguments, clean_environment(BASCULE_EGRESS_ALLOW="127.0.0.0/8"), folder / "simulator.log")

    def state(self) -> dict:
        return self.call("GET", "/simulate/state").json

    def faults(self, **faults):
        answer = self.call("POST", "/simulate/faults", faults)
        assert answer.status == 200, answer.body


class Bascule(Program):
    """`bascule serve` on SQLite, against a simulator (or any other address of GHL and Cast)."""

    def __init__(self, folder, simulator=None, signer=None, log="bascule.log", **settings):
        self.folder = pathlib.Path(folder)
        self.agencies = self.folder / "agencies"
        self.agencies.mkdir(exist_ok=True)
        self.signer = signer or (simulator.signer if simulator else Ed25519())
        defaults = {
            "BASCULE_LISTEN": "127.0.0.1:0",
            "BASCULE_STORE": f"sqlite:{self.folder}/bascule.db",
            "BASCULE_AGENCIES": self.agencies,
            "BASCULE_SEAL_KEYS": new_seal_key(),
            "BASCULE_ADMIN_TOKEN": ADMIN_TOKEN,
            "BASCULE_EGRESS_ALLOW": "127.0.0.0/8",
            "BASCULE_RECEIPT_POLL_MS": 200,
            "BASCULE_RETRY_BASE_MS": 100,
            "BASCULE_RULE_MS": 1000,  # an innocent rule under a sanitizer on a busy machine
            "GHL_CLIENT_ID": "app1-suffix",
            "GHL_CLIENT_SECRET": "simulated-secret",
            "GHL_CONVERSATION_PROVIDER_ID": "provider1",
            "GHL_WEBHOOK_PUBLIC_KEYS": self.signer.pem,
            "CAST_API_KEY": "cast_test_key",
            "CAST_SENDER_ID": "TESTS",
        }
        if simulator is not None:
            defaults |= {"GHL_API_BASE": simulator.url, "CAST_API_BASE": simulator.url,
                         "GHL_AUTHORIZE_URL": simulator.url + "/v2/oauth/chooselocation"}
        super().__init__(["serve"], clean_environment(**(defaults | settings)), self.folder / log)

    def command(self, *arguments, **settings) -> subprocess.CompletedProcess:
        """Runs another subcommand with the same configuration."""
        environment = self.environment | {k: str(v) for k, v in settings.items()}
        return subprocess.run([BINARY, *arguments], env=environment, capture_output=True, text=True,
                              timeout=60 * PATIENCE, cwd="/")

    def admin(self, method, path, body=None, **more) -> web.Answer:
        return self.call(method, "/admin/v1" + path, body, {"authorization": f"Bearer {ADMIN_TOKEN}"}, **more)

    def webhook(self, payload, headers=None, path="/webhooks/ghl", **more) -> web.Answer:
        """Posts a payload (a table or raw bytes), signed."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        signed = {self.signer.header: self.signer.sign(body), "content-type": "application/json"}
        return self.call("POST", path, body, signed | (headers or {}), **more)

    def message(self, message_id: str) -> dict:
        answer = self.admin("GET", f"/messages/{message_id}")
        assert answer.status == 200, answer.body
        return answer.json

    def wait_for(self, message_id: str, *states: str, seconds: float = 15) -> dict:
        def look():
            message = self.message(message_id)
            return message if message["status"] in states else None

        try:
            return eventually(look, seconds)
        except AssertionError as problem:
            raise AssertionError(f"{problem}; {json.dumps(self.message(message_id), indent=1)}") from None

    def rule(self, slug: str, text: str):
        """Writes an agency's rules as an editor does: a new file moved over the old one."""
        folder = self.agencies / slug
        folder.mkdir(exist_ok=True)
        fresh = folder / ".rules.lua.new"
        fresh.write_text(text)
        fresh.rename(folder / "rules.lua")

    def connect(self, simulator: Simulator, location: str = LOCATION):
        """Installs the app for a location by the real OAuth flow, hop by hop."""
        authorize = self.call("GET", "/install")
        assert authorize.status == 302, authorize.body
        chosen = web.call("GET", authorize.headers["location"] + f"&approve={location}")
        assert chosen.status == 302, chosen.body
        done = web.call("GET", chosen.headers["location"])
        assert done.status == 200, done.body
        return done


_count = 0


def payload(**fields) -> dict:
    """A ProviderOutboundMessage as GHL's documentation shows it, with a message id of its own."""
    global _count
    _count += 1
    message = {"contactId": f"contact{_count}", "locationId": LOCATION, "messageId": f"message-{secrets.token_hex(8)}",
               "type": "SMS", "phone": "+639171234567", "message": "Kumusta", "attachments": [], "userId": "user1"}
    message.update(fields)
    return {name: value for name, value in message.items() if value is not None}


def kinds(message: dict) -> list:
    return [event["kind"] for event in message["events"]]
