"""Certificates of applications: what Graph takes, what it refuses, and the proof that a key rolls itself."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.sandbox.entra.world import Api, World

GRAPH_ITSELF = "00000002-0000-0000-c000-000000000000"


def certificate(world: World, *, begins: int = -1, ends: int = 30) -> tuple[rsa.RSAPrivateKey, bytes]:
    """A key and its certificate (DER), valid by days around the tenant's now."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "refund")])
    now = datetime.fromtimestamp(world.clock.now() / 1e6, UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=ends))
        .sign(key, hashes.SHA256())
    )
    return key, made.public_bytes(Encoding.DER)


def entry(raw: bytes, **more: Any) -> dict[str, Any]:
    """A keyCredential as it is written."""
    return {
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "displayName": "rotation",
        "key": base64.b64encode(raw).decode(),
        **more,
    }


def blueprint(world: World) -> tuple[Api, str]:
    """An administrator's app, and the path of a blueprint."""
    api = world.admin()
    app_id = world.blueprint(api, world.user("ana"))
    found = api.ok("GET", f"applications(appId='{app_id}')")
    return api, f"applications/{found['id']}"


def day(world: World, days: float) -> str:
    """An instant so many days from now."""
    return datetime.fromtimestamp(world.clock.now() / 1e6 + days * 86400, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_certificate_is_added_beside_the_others_and_ends_when_it_does(world: World) -> None:
    api, path = blueprint(world)
    first, second = certificate(world)[1], certificate(world)[1]
    api.ok("PATCH", path, {"keyCredentials": [entry(first)]})
    (kept,) = api.ok("GET", path)["keyCredentials"]
    assert kept["endDateTime"] == day(world, 30) and kept["key"] is None
    api.ok("PATCH", path, {"keyCredentials": [kept, entry(second, endDateTime=day(world, 7))]})
    told = api.ok("GET", path)["keyCredentials"]
    assert [one["endDateTime"] for one in told] == [day(world, 30), day(world, 7)]
    api.ok("PATCH", path, {"keyCredentials": told[1:]})
    assert [one["keyId"] for one in api.ok("GET", path)["keyCredentials"]] == [told[1]["keyId"]]


@pytest.mark.parametrize(
    ("valid", "more", "word"),
    [
        ({}, {"endDateTime": 31}, "end date is invalid"),
        ({}, {"startDateTime": -2}, "start date is invalid"),
        ({}, {"startDateTime": 2, "endDateTime": 1}, "start date is invalid"),
        ({"begins": -3, "ends": -1}, {}, "end date is invalid"),
    ],
)
def test_a_time_that_the_certificate_does_not_cover_is_refused(
    world: World, valid: dict[str, int], more: dict[str, int], word: str
) -> None:
    api, path = blueprint(world)
    wish = entry(certificate(world, **valid)[1], **{name: day(world, days) for name, days in more.items()})
    status, code, message = api.refused("PATCH", path, {"keyCredentials": [wish]})
    assert (status, code) == (400, "Request_BadRequest") and word in message
    assert api.ok("GET", path)["keyCredentials"] == []


def test_add_key_and_remove_key_need_proof_of_a_key_that_is_there(world: World) -> None:
    api, path = blueprint(world)
    key, raw = certificate(world)
    api.ok("PATCH", path, {"keyCredentials": [entry(raw)]})
    own = api.ok("GET", path)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def proof(signed_by: str, issuer: str = own["id"]) -> str:
        seconds = world.clock.now() // 1_000_000
        claims = {"aud": GRAPH_ITSELF, "iss": issuer, "nbf": seconds, "exp": seconds + 600}
        header = {"alg": "RS256", "x5t": own["keyCredentials"][0]["customKeyIdentifier"]}
        return jwt.encode(header, claims, RSAKey.import_key(signed_by), algorithms=["RS256"])

    stranger = certificate(world)[0].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    wish = {"keyCredential": entry(certificate(world)[1]), "passwordCredential": None}
    for wrong in ("", proof(stranger), proof(pem, issuer=own["appId"])):
        assert api.refused("POST", f"{path}/addKey", {**wish, "proof": wrong})[0] in (401, 403)
    made = api.ok("POST", f"{path}/addKey", {**wish, "proof": proof(pem)})
    assert len(api.ok("GET", path)["keyCredentials"]) == 2
    gone = {"keyId": made["keyId"]}
    assert api.refused("POST", f"{path}/removeKey", {**gone, "proof": ""})[0] in (401, 403)
    api.ok("POST", f"{path}/removeKey", {**gone, "proof": proof(pem)})
    assert [one["keyId"] for one in api.ok("GET", path)["keyCredentials"]] == [
        own["keyCredentials"][0]["keyId"]
    ]
