"""Standard Webhooks 1.0.0: signing what we send, checking what we are sent.

The library signs; times are judged here, by a clock that is passed in, and signatures are compared
as text, so nothing that arrives is ever decoded before it is known to be genuine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from scim_bridge.kernel.clock import MINUTE, SECOND
from scim_bridge.kernel.crypto import equal
from scim_bridge.kernel.effects import Dead, Done, Outcome, Retry
from scim_bridge.kernel.errors import Unauthenticated
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.outbound_error import OutboundError

WINDOW = 5 * MINUTE
SIGNATURES = 10
_ID = re.compile(r"[\x21-\x7e]{1,256}")
_SECONDS = re.compile(r"[0-9]{1,12}")
# What a receiver may get over: too early, too often, busy. Every other 4xx will be the same next time.
PASSING = (408, 409, 425, 429)
NOT_FOLLOWED = "redirects are not followed: set the address it leads to"


class Untrusted(Unauthenticated):
    """A message whose sender, time or content is not proven.

    Codes: webhook-unsigned, webhook-malformed, webhook-old, webhook-future, webhook-signature.
    """


def signature(secret: str, message_id: str, seconds: int, body: bytes) -> str:
    """The `v1,…` signature over id, time and body; ValueError for a secret or body that is no text."""
    try:
        signer = Webhook(secret)
    except EmptyWebhookSecretError as error:
        raise ValueError("the secret is empty") from error
    return str(signer.sign(message_id, datetime.fromtimestamp(seconds, UTC), body.decode()))


def signed(secret: str, message_id: str, now: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt to send `body`. The id stays the same over attempts, `now` does not.

    Of several secrets, separated by blanks, each signs: a receiver that knows one of them is content.
    """
    seconds = now // SECOND
    signatures = [signature(each, message_id, seconds, body) for each in secret.split() or [""]]
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(signatures),
    }


def check(headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now: int) -> str:
    """The id of a genuine message, signed by one of `secrets` less than five minutes ago; else Untrusted.

    `headers` has lower-case names. The id still has to be held against those seen before.
    """
    message_id = headers.get("webhook-id", "")
    stamp = headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    if not (message_id and stamp and given):
        raise Untrusted(
            "webhook-unsigned",
            "The message is not signed.",
            "Send webhook-id, webhook-timestamp and webhook-signature (Standard Webhooks).",
        )
    if not _ID.fullmatch(message_id) or not _SECONDS.fullmatch(stamp):
        raise Untrusted(
            "webhook-malformed",
            "webhook-id or webhook-timestamp is not what it should be.",
            "The id is text without blanks, the timestamp whole seconds since 1970.",
        )
    age = now - int(stamp) * SECOND
    if abs(age) > WINDOW:
        code, found = ("webhook-old", "too old") if age > 0 else ("webhook-future", "from the future")
        raise Untrusted(code, f"The message is {found}.", "Check both clocks; sign every attempt anew.")
    if not _matches(given, message_id, int(stamp), body, secrets):
        raise Untrusted(
            "webhook-signature",
            "No signature of the message matches.",
            "Check the secret on both sides and that nothing in between changes the body.",
        )
    return message_id


def _matches(given: str, message_id: str, seconds: int, body: bytes, secrets: Iterable[str]) -> bool:
    offered = given.split(" ")[:SIGNATURES]
    try:
        expected = [signature(secret, message_id, seconds, body) for secret in secrets]
    except UnicodeDecodeError:
        return False
    return any(equal(one, right) for one in offered for right in expected)


def retry_after(value: str, now: int) -> float | None:
    """Seconds to wait by a Retry-After header, at most an hour (RFC 9110 section 10.2.3); None without one."""
    if _SECONDS.fullmatch(value):
        return float(min(int(value), 3600))
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    stamp = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max(stamp.timestamp() - now / SECOND, 0.0), 3600.0)


async def deliver(
    outbound: Outbound, url: str, secret: str, message_id: str, now: int, body: bytes, *, to: str
) -> Outcome:
    """Send one signed message; what became of it, for the effect that sends it.

    Any 2xx means the receiver has done it. 5xx, 408, 409, 425 and 429 are tried again, after Retry-After
    when it is given; other answers are final. `to` names the receiver in reasons.
    """
    try:
        headers = signed(secret, message_id, now, body)
    except ValueError:
        return Dead(f"the secret of {to} is not a Standard Webhooks secret")
    try:
        answer = await outbound.send("POST", url, headers=headers, body=body, cut=True)
    except OutboundError as error:
        return Retry(f"{to}: {error.text()}") if error.transient else Dead(f"{to}: {error.text()}")
    if 200 <= answer.status < 300:
        return Done({"status": answer.status})
    reason = f"{to} answered {answer.status}"
    if answer.status >= 500 or answer.status in PASSING:
        return Retry(reason, retry_after(answer.headers.get("retry-after", ""), now))
    if 300 <= answer.status < 400:
        return Dead(f"{reason}; {NOT_FOLLOWED}")
    return Dead(f"{reason}, which will not change by asking again")
