"""A receiver of security events, written from the text of SSF 1.0, RFC 8417, 8935 and 8936 and not from ours.

It takes nothing on trust: every SET is checked as the specifications say before a test sees it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

WELL_KNOWN = "/.well-known/ssf-configuration"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"


def unpacked(text: str) -> bytes:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Heard:
    """A SET that is as it should be."""

    jti: str
    txn: str
    event: str
    payload: dict[str, Any]
    sub_id: dict[str, Any]
    claims: dict[str, Any]


@dataclass
class Client:
    """Finds a transmitter, keeps a stream there, and hears what it tells."""

    http: httpx2.AsyncClient
    token: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    stream: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, rsa.RSAPublicKey] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    async def call(self, method: str, url: str, body: Any = None, **query: str) -> httpx2.Response:
        headers = {"accept": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            headers["content-type"] = "application/json"
        return await self.http.request(method, url, headers=headers, content=content, params=query or None)

    async def discover(self) -> dict[str, Any]:
        """The metadata (SSF 1.0 section 7.1), whose issuer must be where it was asked for."""
        answer = await self.http.get(WELL_KNOWN)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/json")
        self.metadata = answer.json()
        assert self.metadata["issuer"] == str(self.http.base_url).rstrip("/")
        assert self.metadata["spec_version"] == "1_0"
        assert {"urn:ietf:rfc:8935", "urn:ietf:rfc:8936"} <= set(self.metadata["delivery_methods_supported"])
        assert {"spec_urn": "urn:ietf:rfc:6749"} in self.metadata["authorization_schemes"]
        return self.metadata

    async def fetch_keys(self) -> None:
        """The keys that verify (RFC 7517): RSA of at least 2048 bits, each with an id and an algorithm."""
        answer = await self.http.get(self.metadata["jwks_uri"])
        for key in answer.json()["keys"]:
            assert key["kty"] == "RSA" and key["alg"] == "RS256" and key["use"] == "sig" and "d" not in key
            numbers = [int.from_bytes(unpacked(key[name])) for name in ("e", "n")]
            assert numbers[1].bit_length() >= 2048
            self.keys[key["kid"]] = rsa.RSAPublicNumbers(*numbers).public_key()

    async def create(self, **said: Any) -> dict[str, Any]:
        """A stream of ours: 201 with its whole configuration (SSF 1.0 section 8.1.1.1)."""
        answer = await self.call("POST", self.metadata["configuration_endpoint"], said)
        assert answer.status_code == 201, answer.text
        assert answer.headers["cache-control"] == "no-store"
        self.stream = answer.json()
        assert {"stream_id", "iss", "aud", "delivery", "events_delivered"} <= self.stream.keys()
        assert self.stream["iss"] == self.metadata["issuer"]
        supported = set(self.stream["events_supported"])
        wanted = set(self.stream.get("events_requested", supported))
        assert set(self.stream["events_delivered"]) <= supported & wanted
        return self.stream

    def checked(self, token: str) -> Heard:
        """A SET's content, once everything that RFC 8417 and SSF 1.0 section 4 demand of it holds."""
        head, body, signature = token.split(".")
        header = json.loads(unpacked(head))
        assert header["typ"] == "secevent+jwt" and header["alg"] == "RS256"
        signed = f"{head}.{body}".encode()
        self.keys[header["kid"]].verify(unpacked(signature), signed, padding.PKCS1v15(), SHA256())
        claims = json.loads(unpacked(body))
        assert claims["iss"] == self.stream["iss"] and claims["aud"] == self.stream["aud"]
        assert isinstance(claims["iat"], int) and isinstance(claims["jti"], str) and claims["txn"]
        assert "sub" not in claims and "exp" not in claims
        ((event, payload),) = claims["events"].items()
        assert event.startswith(SSF) or event in self.stream["events_delivered"]
        assert "format" in claims["sub_id"]
        return Heard(claims["jti"], claims["txn"], event, payload, claims["sub_id"], claims)

    def heard(self, token: str) -> Heard | None:
        """The same; None for a SET that came before (a duplicate is acknowledged and forgotten)."""
        found = self.checked(token)
        fresh = found.jti not in self.seen
        self.seen.add(found.jti)
        return found if fresh else None

    async def poll(self, **said: Any) -> tuple[dict[str, Heard], bool]:
        """One poll (RFC 8936 section 2.2): what came, by jti in order, and whether there is more."""
        answer = await self.call(
            "POST", self.stream["delivery"]["endpoint_url"], {"returnImmediately": True, **said}
        )
        assert answer.status_code == 200, answer.text
        found = answer.json()
        sets: Mapping[str, str] = found["sets"]
        read = {jti: self.checked(token) for jti, token in sets.items()}
        assert all(jti == one.jti for jti, one in read.items())
        return read, bool(found.get("moreAvailable", False))

    async def everything(self) -> list[Heard]:
        """Poll until there is no more, acknowledging on the way."""
        found: list[Heard] = []
        acks: list[str] = []
        while True:
            came, more = await self.poll(ack=acks)
            found += came.values()
            acks = list(came)
            if not came and not more:
                return found
