"""Security Event Tokens as SSF 1.0 section 4 profiles them, as Okta sends them, and wrong ones. Pure."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Any

import orjson
from joserfc import jws
from joserfc.jwk import RSAKey

DAY = 86_400
TYP = "secevent+jwt"
PREFIXES = {
    "risc": "https://schemas.openid.net/secevent/risc/event-type/",
    "caep": "https://schemas.openid.net/secevent/caep/event-type/",
    "ssf": "https://schemas.openid.net/secevent/ssf/event-type/",
}
# Which profile defines what, by the short name.
EVENTS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "account-disabled",
            "account-enabled",
            "account-purged",
            "account-credential-change-required",
            "identifier-changed",
            "credential-compromise",
        ),
        "risc",
    ),
    **dict.fromkeys(
        (
            "session-revoked",
            "credential-change",
            "assurance-level-change",
            "token-claims-change",
            "device-compliance-change",
            "risk-level-change",
        ),
        "caep",
    ),
    **dict.fromkeys(("verification", "stream-updated"), "ssf"),
}
SHAPES = ("ssf", "okta")
FLAWS = (
    "forged-signature",
    "tampered",
    "unknown-key",
    "no-key-id",
    "wrong-algorithm",
    "unsigned",
    "wrong-type",
    "wrong-issuer",
    "wrong-audience",
    "old",
    "future",
    "future-event",
    "no-id",
    "no-events",
    "no-subject",
)


def uri_of(event: str) -> str:
    """The URI of an event by its short name; a URI is taken as it is."""
    return event if ":" in event else PREFIXES[EVENTS[event]] + event


def claims(
    issuer: str,
    audience: Any,
    jti: str,
    now: int,
    event: str,
    payload: Mapping[str, Any],
    subject: Mapping[str, Any] | None,
    shape: str = "ssf",
) -> dict[str, Any]:
    """What a SET says; `now` in seconds. Okta puts the subject into the event, and milliseconds into its time."""
    made: dict[str, Any] = {"iss": issuer, "aud": audience, "jti": jti, "iat": now}
    told = {"event_timestamp": now, **payload} if not event.startswith(PREFIXES["ssf"]) else dict(payload)
    if shape == "okta":
        if "event_timestamp" in told:
            told["event_timestamp"] = int(told["event_timestamp"]) * 1000
        return {**made, "events": {event: {"subject": dict(subject or {}), **told}}}
    if subject is not None:
        made["sub_id"] = dict(subject)
    return {**made, "events": {event: told}}


def signed(said: Mapping[str, Any], key: RSAKey) -> str:
    """A compact SET."""
    header = {"alg": "RS256", "typ": TYP, "kid": key.kid}
    return jws.serialize_compact(header, orjson.dumps(said), key, algorithms=["RS256"])


def flawed(flaw: str, said: Mapping[str, Any], key: RSAKey, another: RSAKey) -> str:
    """A compact SET with one of `FLAWS`; `another` is a key the transmitter does not publish."""
    made = dict(said)
    header = {"alg": "RS256", "typ": TYP, "kid": key.kid}
    if flaw == "wrong-issuer":
        made["iss"] = "https://elsewhere.example"
    elif flaw == "wrong-audience":
        made["aud"] = ["https://elsewhere.example/events"]
    elif flaw == "old":
        made["iat"] -= 90 * DAY
    elif flaw == "future":
        made["iat"] += DAY
    elif flaw == "future-event":
        made["events"] = {
            uri: {**told, "event_timestamp": made["iat"] + DAY} for uri, told in made["events"].items()
        }
    elif flaw in ("no-id", "no-events", "no-subject"):
        made.pop({"no-id": "jti", "no-events": "events", "no-subject": "sub_id"}[flaw], None)
    elif flaw == "wrong-type":
        header["typ"] = "JWT"
    elif flaw == "unknown-key":
        return signed(made, another)
    elif flaw == "no-key-id":
        del header["kid"]
    if flaw == "wrong-algorithm":
        return _confused({**header, "alg": "HS256"}, made, key)
    compact = jws.serialize_compact(
        header, orjson.dumps(made), another if flaw == "forged-signature" else key, algorithms=["RS256"]
    )
    return _altered(compact, flaw)


def _confused(header: Mapping[str, Any], said: Mapping[str, Any], key: RSAKey) -> str:
    """Signed with the public key as if it were a shared secret (RFC 8725 section 2.1)."""
    signing = b".".join(_base64(orjson.dumps(part)) for part in (header, said))
    mac = hmac.new(key.as_pem(private=False), signing, "sha256").digest()
    return b".".join((signing, _base64(mac))).decode()


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _altered(compact: str, flaw: str) -> str:
    head, body, signature = compact.split(".")
    if flaw == "tampered":
        said = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        body = _base64(orjson.dumps({**said, "iat": said["iat"] + 1})).decode()
        return f"{head}.{body}.{signature}"
    return f"{head}.{body}." if flaw == "unsigned" else compact
