"""Webhooks signed as their vendor does instead of by Standard Webhooks: how, as data, and the check of either.

A vendor's scheme without a time is held against the time in its message, and against every message taken before.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scim_bridge.kernel.clock import DAY, SECOND
from scim_bridge.kernel.crypto import equal
from scim_bridge.kernel.webhook import WINDOW, Untrusted, check

# Personio and HiBob send again for three days.
OLDEST = 4 * DAY
SHORTEST = 16
_SECONDS = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Signing:
    """An HMAC over the body, in one header. `stamp`: the header with the seconds of sending, signed with the body."""

    header: str
    digest: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    stamp: str = ""


STANDARD = "standard"
SIGNINGS: Mapping[str, Signing | None] = {
    STANDARD: None,
    # https://documentation.bamboohr.com/docs/webhooks: over body, then timestamp.
    "bamboohr": Signing("x-bamboohr-signature", stamp="x-bamboohr-timestamp"),
    # https://apidocs.hibob.com/docs/working-with-webhooks
    "hibob": Signing("bob-signature", digest="sha512", encoding="base64"),
    # As receivers in the field check them; the vendors' public pages do not say.
    "personio": Signing("x-personio-signature", prefix="sha256="),
    "rippling": Signing("x-rippling-signature"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One attempt to tell an event: its id, and the seconds at which this attempt was signed.

    `timed` is False where nothing but the message itself says when that was.
    """

    id: str
    signed: int
    timed: bool = True


def proven(signing: str, headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now: int) -> Event:
    """The event of a genuine message; Untrusted otherwise. `headers` has lower-case names."""
    scheme = SIGNINGS[signing]
    if scheme is None:
        return Event(check(headers, body, secrets, now), int(headers["webhook-timestamp"]))
    given = headers.get(scheme.header, "").strip()
    if not given:
        raise Untrusted("webhook-unsigned", "The message is not signed.", f"Send {scheme.header}.")
    stamp = _stamp(scheme, headers, now)
    signed = body + stamp.encode()
    if not any(equal(given.removeprefix(scheme.prefix), _mac(scheme, secret, signed)) for secret in secrets):
        raise Untrusted(
            "webhook-signature",
            "The signature of the message does not match.",
            "Check the secret on both sides and that nothing in between changes the body.",
        )
    seconds = int(stamp) if stamp else now // SECOND
    return Event(hashlib.sha256(signed).hexdigest()[:40], seconds, timed=bool(stamp))


def signing_of(name: str, table: Mapping[str, object]) -> str:
    """How the messages of a door are signed: as its settings table says, else as the vendor of its name does."""
    said = table.get("signing", table.get("base", name))
    found = str(said).casefold()
    return found if found in SIGNINGS else STANDARD


def timely(event: Event, happened: int, now: int) -> None:
    """Untrusted when an event tells of a time that lies ahead, or that it cannot have been sent at.

    What is to come would overtake everything told until then. Old is only what says nowhere when it was sent.
    """
    if happened > now + WINDOW:
        raise Untrusted(
            "webhook-future",
            "The message says that it happened in the future.",
            "Check both clocks and the time zone of the time in the message.",
        )
    if not event.timed and happened < now - OLDEST:
        raise Untrusted("webhook-old", "The message is too old.", "Nothing this old is sent again.")


def signature(signing: str, secret: str, body: bytes, seconds: int) -> dict[str, str]:
    """The headers a vendor would send along; for trying a door, and for none that Standard Webhooks signs."""
    scheme = SIGNINGS[signing]
    if scheme is None:
        raise ValueError("Standard Webhooks are signed by kernel.webhook")
    stamp = str(seconds) if scheme.stamp else ""
    headers = {"content-type": "application/json"} | ({scheme.stamp: stamp} if stamp else {})
    return headers | {scheme.header: scheme.prefix + _mac(scheme, secret, body + stamp.encode())}


def _stamp(scheme: Signing, headers: Mapping[str, str], now: int) -> str:
    if not scheme.stamp:
        return ""
    stamp = headers.get(scheme.stamp, "")
    if not _SECONDS.fullmatch(stamp):
        raise Untrusted("webhook-malformed", f"{scheme.stamp} is not whole seconds since 1970.")
    age = now - int(stamp) * SECOND
    if abs(age) > WINDOW:
        code, found = ("webhook-old", "too old") if age > 0 else ("webhook-future", "from the future")
        raise Untrusted(code, f"The message is {found}.", "Check both clocks; sign every attempt anew.")
    return stamp


def _mac(scheme: Signing, secret: str, signed: bytes) -> str:
    made = hmac.new(secret.encode(), signed, scheme.digest).digest()
    return made.hex() if scheme.encoding == "hex" else base64.b64encode(made).decode()
