"""Signs webhooks as GHL does, with a library that Bascule does not use (python cryptography)."""

import base64
import hashlib
import hmac

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa


def _pem(public_key) -> str:
    return public_key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


class Ed25519:
    header = "x-ghl-signature"

    def __init__(self, seed: bytes | None = None):
        generate = ed25519.Ed25519PrivateKey
        self.key = generate.from_private_bytes(seed) if seed else generate.generate()
        self.pem = _pem(self.key.public_key())

    def sign(self, body: bytes) -> str:
        return base64.b64encode(self.key.sign(body)).decode()


class Rsa:
    header = "x-wh-signature"

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.pem = _pem(self.key.public_key())

    def sign(self, body: bytes) -> str:
        return base64.b64encode(self.key.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()


class Ecdsa:
    header = "x-wh-signature"

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.pem = _pem(self.key.public_key())

    def sign(self, body: bytes) -> str:
        return base64.b64encode(self.key.sign(body, ec.ECDSA(hashes.SHA256()))).decode()


class Hmac:
    header = "x-ghl-signature"
    pem = None

    def __init__(self, secret: str):
        self.secret = secret

    def sign(self, body: bytes) -> str:
        return base64.b64encode(hmac.new(self.secret.encode(), body, hashlib.sha256).digest()).decode()
