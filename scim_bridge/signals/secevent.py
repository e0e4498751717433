"""Security Event Tokens (RFC 8417): read without belief, then held against key, issuer, audience and time. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from scim_bridge.kernel.clock import DAY, MINUTE, SECOND
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.json_keys import check_keys

MAX_BYTES = 65_536
MAX_EVENTS = 10
LONGEST_ID = 256
TYP = "secevent+jwt"
# A clock may be this far ahead of ours; a SET may have waited this long for us to come back.
SKEW = 5 * MINUTE
OLDEST = 30 * DAY
# Which keys may sign by an algorithm: kty, and what else must be in the JWK (RFC 7518 section 3.1, RFC 8037).
ALGORITHMS: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "Ed25519": ("OKP", "Ed25519"),
}
# RFC 9864 names what RFC 8037 called EdDSA: keys are published under either name.
_ALIKE = {"Ed25519": ("EdDSA", "Ed25519")}
_PUBLIC = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}
_IMPORT: Mapping[str, Any] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_KEY_BITS = range(2048, 8193)
# Okta tells seconds as milliseconds; nothing happens after the year 5000.
_MILLISECONDS = 10**11

Key = Mapping[str, str]
"""The public half of a JWK: nothing else of it is taken over."""


class SetRefused(Invalid):
    """A SET that is not taken. `err` is what its sender is told (RFC 8935 section 2.4).

    Codes: set-form, set-typ, set-algorithm, set-header, set-key, set-signature, set-issuer, set-audience,
    set-future, set-old, set-claim, set-subject, set-jti-reused, set-unauthorized.
    """

    def __init__(self, err: str, code: str, message: str, fix: str = "") -> None:
        super().__init__(code, message, fix)
        self.err = err


@dataclass(frozen=True, slots=True)
class Token:
    """A compact SET and what it says. Nothing of it is proven."""

    compact: str
    kid: str
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of a SET: its type's URI, its payload, when it happened (microseconds)."""

    uri: str
    payload: Mapping[str, Any]
    at: int


@dataclass(frozen=True, slots=True)
class SecEvent:
    """A genuine SET. `digest` is of all it says; `subject` is its `sub_id`, which old profiles lack."""

    jti: str
    digest: str
    at: int
    subject: Any
    happenings: tuple[Happening, ...]


def read_token(raw: bytes, algorithm: str) -> Token:
    """The parts of a SET; SetRefused when it is none that could ever be believed.

    The algorithm is pinned, and the type must be said (RFC 8725 sections 3.1 and 3.11).
    """
    if len(raw) > MAX_BYTES or not raw.isascii():
        raise _unreadable("It is no compact JWS.")
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        parsed = jws.extract_compact(raw.strip(), registry=registry)
        header, claims = parsed.headers(), orjson.loads(parsed.payload)
        check_keys(parsed.payload, claims)
    except (JoseError, Invalid, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _unreadable("It is no compact JWS over a JSON object.") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise _unreadable("It is no compact JWS over a JSON object.")
    if str(header.get("typ", "")).casefold().removeprefix("application/") != TYP:
        raise SetRefused("invalid_request", "set-typ", f"The header's typ is not {TYP}.")
    if header.get("alg") != algorithm:
        raise SetRefused("invalid_key", "set-algorithm", f"It is not signed with {algorithm}.")
    if "crit" in header:
        raise SetRefused("invalid_request", "set-header", "It has a critical header nobody here knows.")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise SetRefused("invalid_key", "set-key", "It does not say which key signed it (kid).")
    return Token(raw.strip().decode(), kid, claims)


def _unreadable(message: str) -> SetRefused:
    return SetRefused("invalid_request", "set-form", message, "Send one SET as a compact JWS.")


def claimed_at(token: Token, now: int) -> int:
    """When a SET says it was issued, before anything of it is believed: never after `now`, 0 when it does not say."""
    try:
        return min(_instant(token.claims.get("iat"), "iat"), now)
    except SetRefused:
        return 0


def check_signature(token: Token, key: Key, algorithm: str) -> None:
    """SetRefused unless this key signed the SET with this algorithm, whatever its header says."""
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        jws.deserialize_compact(token.compact, imported(key), registry=registry)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise SetRefused(
            "authentication_failed", "set-signature", "The signature does not verify."
        ) from error


def imported(key: Key) -> Any:
    """A key to verify with; ValueError (or JoseError, KeyError) for one that is none."""
    return _IMPORT[key["kty"]].import_key(dict(key))


def usable_keys(body: bytes, algorithm: str, most: int = 100) -> dict[str, dict[str, str]]:
    """The keys of a JWKS (RFC 7517) that may sign with this algorithm, by id; Invalid when there is none.

    Others are passed over. A set without any would refuse every event, so it is not believed.
    """
    try:
        listed = orjson.loads(body)["keys"][:most]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Invalid("keys-answer", "The transmitter's answer is no set of keys.") from error
    found: dict[str, dict[str, str]] = {}
    for key in listed:
        public = _usable(key, algorithm) if isinstance(key, dict) else None
        if public is not None:
            found.setdefault(key["kid"], public)
    if not found:
        raise Invalid("keys-answer", f"The transmitter's answer holds no usable key for {algorithm}.")
    return found


def _usable(key: Mapping[str, Any], algorithm: str) -> dict[str, str] | None:
    kty, curve = ALGORITHMS[algorithm]
    if key.get("kty") != kty or (curve is not None and key.get("crv") != curve):
        return None
    if key.get("use", "sig") != "sig" or key.get("alg", algorithm) not in _ALIKE.get(algorithm, (algorithm,)):
        return None
    public = {name: key.get(name) for name in _PUBLIC[kty]}
    if not (isinstance(key.get("kid"), str) and key["kid"]):
        return None
    texts = {name: value for name, value in public.items() if isinstance(value, str)}
    if len(texts) != len(public):
        return None
    try:
        made = imported(texts)
        return texts if kty != "RSA" or made.raw_value.key_size in _KEY_BITS else None
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def read_set(token: Token, issuer: str, audiences: Iterable[str], now: int) -> SecEvent:
    """What a SET says, when it is from this issuer, for one of these audiences and of this time; else SetRefused.

    RFC 8417 section 2.2. Members nobody here knows are passed over.
    """
    claims = token.claims
    if claims.get("iss") != issuer:
        raise SetRefused("invalid_issuer", "set-issuer", "It is of another issuer than this stream's.")
    meant = claims.get("aud")
    named = meant if isinstance(meant, list) else [meant]
    if not any(isinstance(one, str) and one in set(audiences) for one in named):
        raise SetRefused("invalid_audience", "set-audience", "It is meant for another audience.")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not jti or len(jti) > LONGEST_ID or not jti.isprintable():
        raise _claim("jti")
    at = _instant(claims.get("iat"), "iat")
    _timely(at, now, "It was issued")
    events = claims.get("events")
    if not isinstance(events, dict) or not 0 < len(events) <= MAX_EVENTS:
        raise _claim("events")
    toe = _instant(claims["toe"], "toe") if "toe" in claims else at
    happenings = tuple(_happening(uri, payload, toe, now) for uri, payload in events.items())
    digest = hashlib.sha256(orjson.dumps(claims, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return SecEvent(jti, digest, at, claims.get("sub_id"), happenings)


def _happening(uri: str, payload: Any, toe: int, now: int) -> Happening:
    if not isinstance(payload, dict) or len(uri) > LONGEST_ID or not uri.isprintable():
        raise _claim("events")
    at = _instant(payload["event_timestamp"], "event_timestamp") if "event_timestamp" in payload else toe
    if at > now + SKEW:
        raise SetRefused(
            "invalid_request", "set-future", "It tells of something in the future.", "Check both clocks."
        )
    return Happening(uri, payload, at)


def _timely(at: int, now: int, what: str) -> None:
    if at > now + SKEW:
        raise SetRefused("invalid_request", "set-future", f"{what} in the future.", "Check both clocks.")
    if at < now - OLDEST:
        raise SetRefused("invalid_request", "set-old", f"{what} more than {OLDEST // DAY} days ago.")


def _instant(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10**15:
        raise _claim(name)
    seconds = value / 1000 if value > _MILLISECONDS else value
    return int(seconds * SECOND)


def _claim(name: str) -> SetRefused:
    return SetRefused("invalid_request", "set-claim", f"{name} is missing or not what it should be.")
