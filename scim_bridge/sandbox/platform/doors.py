"""What the platform hears: hooks, notices and revocations, believed only when signed. The rule is pure."""

from __future__ import annotations

import binascii
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from standardwebhooks import Webhook, WebhookVerificationError

from scim_bridge.sandbox.kit.clock import SECOND

TOLERANCE_SECONDS = 300
NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")


class NotGenuine(Exception):
    """A delivery that is not believed; the message says why."""


class Unreadable(Exception):
    """A genuine delivery that makes no sense; the message says why."""


def verified(secret: str, headers: Mapping[str, str], body: bytes, now: int) -> tuple[str, dict[str, Any]]:
    """The webhook-id and the event of a delivery; headers in lower case, `now` in microseconds.

    NotGenuine without a right signature of the last five minutes; Unreadable when it is no event.
    """
    given = {name: headers.get(name, "") for name in NAMES}
    for name in NAMES:
        if not given[name]:
            raise NotGenuine(f"The header {name} is missing.")
    if not given["webhook-timestamp"].isdecimal():
        raise NotGenuine("The header webhook-timestamp is no number of seconds.")
    if abs(int(given["webhook-timestamp"]) - now // SECOND) > TOLERANCE_SECONDS:
        raise NotGenuine("The delivery is too old or from the future.")
    try:
        wanted = Webhook(secret).sign(given["webhook-id"], _moment(given["webhook-timestamp"]), body.decode())
    except (WebhookVerificationError, binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise NotGenuine(f"The signature cannot be checked ({type(error).__name__}).") from None
    if not any(
        hmac.compare_digest(wanted.encode(), one.encode()) for one in given["webhook-signature"].split(" ")
    ):
        raise NotGenuine("The signature does not match.")
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unreadable("The body is not JSON.") from None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise Unreadable("The body is not an event with a type.")
    return given["webhook-id"], event


def slug_of(event: Mapping[str, Any]) -> str:
    """The agent an event is about: `agent.slug` or `agent_slug`, at the top or under data; "" when it says none."""
    for place in (event.get("data"), event):
        if isinstance(place, Mapping):
            agent = place.get("agent")
            found = agent.get("slug") if isinstance(agent, Mapping) else place.get("agent_slug")
            if isinstance(found, str) and found:
                return found
    return ""


def _moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
