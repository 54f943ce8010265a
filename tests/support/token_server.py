"""A token server for Debian's docker-registry, which signs what it grants (distribution's specification)."""

from __future__ import annotations

import datetime
import json
import os
import time
from base64 import b64decode, b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support.lying_registry import LyingRegistry, reply

if TYPE_CHECKING:
    from tests.support.lying_registry import Reply, Request

ISSUER = "tokens.example"
SERVICE = "registry.example"
LIFE = 300
_LEEWAY = 60
"""Seconds past its end for which docker-registry still takes a token."""


class TokenServer(LyingRegistry):
    """Grants `user` whatever is asked for, and nobody else anything.

    `faults` are those of the next tokens: "expired", "reads only", or none.
    `refresh_tokens` are identity tokens that stand for the password.
    """

    def __init__(self, folder: str, user: str, password: str) -> None:
        """Write the certificate that the registry is to trust to `folder`."""
        self._basic = f"{user}:{password}"
        self._user = user
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(self._key)
        self._chain = b64encode(certificate.public_bytes(Encoding.DER)).decode()
        self.bundle = os.path.join(folder, "tokens.pem")
        with open(self.bundle, "wb") as file:
            file.write(certificate.public_bytes(Encoding.PEM))
        self.faults: list[str] = []
        self.refresh_tokens: set[str] = set()
        self.granted: list[list[str]] = []
        super().__init__(self._answer_request)

    @property
    def settings(self) -> str:
        """What the registry's configuration says of this server."""
        names = f"service: {SERVICE}, issuer: {ISSUER}"
        return f"auth: {{token: {{realm: {self.url}/token, {names}, rootcertbundle: {self.bundle}}}}}\n"

    def _answer_request(self, request: Request) -> Reply:
        if request.method == "POST":
            form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
            is_known = form.get("refresh_token", "") in self.refresh_tokens
            scopes = form.get("scope", "").split()
        else:
            is_known = b64decode(request.authorization.removeprefix("Basic ")).decode() == self._basic
            scopes = parse_qs(urlsplit(request.path).query).get("scope", [])
        if not is_known:
            denied = {"code": "UNAUTHORIZED", "message": "incorrect username or password", "detail": None}
            return reply(401, {"errors": [denied]})
        self.granted.append(scopes)
        return reply(200, {"token": self._token(scopes), "expires_in": LIFE})

    def _token(self, scopes: list[str]) -> str:
        fault = self.faults.pop(0) if self.faults else ""
        end = time.time() + (-2 * _LEEWAY if fault == "expired" else LIFE)
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            granted = ["pull"] if fault == "reads only" else actions.split(",")
            access.append({"type": kind, "name": name, "actions": granted})
        claims = {
            "iss": ISSUER,
            "sub": self._user,
            "aud": SERVICE,
            "exp": int(end),
            "nbf": int(end) - 2 * LIFE,
            "access": access,
        }
        return self._signed({"typ": "JWT", "alg": "ES256", "x5c": [self._chain]}, claims)

    def _signed(self, head: dict[str, Any], claims: dict[str, Any]) -> str:
        text = ".".join([_packed(json.dumps(part).encode()) for part in (head, claims)])
        r, s = decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(SHA256())))
        return f"{text}.{_packed(r.to_bytes(32) + s.to_bytes(32))}"


def _packed(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, SHA256())
    )
