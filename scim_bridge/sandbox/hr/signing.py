"""Standard Webhooks signatures, right ones and wrong ones (spec/standard-webhooks.md 1.0.0)."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

from standardwebhooks import Webhook

OLD = 3 * 24 * 3600.0
FLAWS = (
    "bad-signature",
    "wrong-secret",
    "unsigned",
    "old-timestamp",
    "future-timestamp",
    "tampered-body",
    "other-id",
)
# Somebody else's secret: 24 bytes, as the specification asks, and of no use.
_ANOTHER = base64.b64encode(b"not-the-secret-we-agreed").decode()


def usable(secret: str) -> bool:
    """True for a `whsec_` secret of at least 24 bytes, the least the specification allows."""
    if not secret.startswith("whsec_"):
        return False
    try:
        return len(base64.b64decode(secret.removeprefix("whsec_") + "==", validate=False)) >= 24
    except (binascii.Error, ValueError):
        return False


def signed(secret: str, event_id: str, now: float, body: bytes) -> dict[str, str]:
    """The headers of one attempt: id, time of the attempt in seconds, signature."""
    stamp = datetime.fromtimestamp(int(now), UTC)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": Webhook(secret).sign(event_id, stamp, body.decode()),
        "content-type": "application/json",
    }


def forged(flaw: str, secret: str, event_id: str, now: float, body: bytes) -> tuple[dict[str, str], bytes]:
    """Headers and body of an attempt that must be refused, with one of `FLAWS`."""
    headers = signed(secret, event_id, now, body)
    if flaw == "bad-signature":
        headers["webhook-signature"] = "v1," + base64.b64encode(bytes(32)).decode()
    elif flaw == "wrong-secret":
        headers = signed(_ANOTHER, event_id, now, body)
    elif flaw == "unsigned":
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
            del headers[name]
    elif flaw == "old-timestamp":
        headers = signed(secret, event_id, now - OLD, body)
    elif flaw == "future-timestamp":
        headers = signed(secret, event_id, now + OLD, body)
    elif flaw == "tampered-body":
        body = body.replace(b'"voluntary"', b'"involuntary"').replace(b"@", b"+x@", 1)
    elif flaw == "other-id":
        headers["webhook-id"] = f"{event_id}x"
    return headers, body
