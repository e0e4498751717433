"""Events that wait to be taken: what is sent when, and what an answer means. Pure; instants in microseconds.

Source: Standard Webhooks 1.0.0, "Deliverability and reliability": retried with growing waits until 2xx.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.kit.clock import SECOND

PENDING = "pending"
TAKEN = "taken"
ENDED = "ended"
WAITS = (1, 2, 5, 10, 30)

Event = dict[str, Any]


def fresh(event_id: str, kind: str, body: str, now: int) -> Event:
    """A new event, due at once. `body` is the text that is sent, the same at every attempt."""
    return {
        "id": event_id,
        "type": kind,
        "body": body,
        "state": PENDING,
        "attempts": 0,
        "due": now,
        "last_status": None,
        "last_error": "",
        "sent": {},
    }


def is_due(event: Mapping[str, Any], now: int) -> bool:
    """True when the event is to be sent now."""
    return bool(event["state"] == PENDING and event["due"] <= now)


def after_attempt(event: Event, status: int, error: str, headers: Mapping[str, str], now: int) -> Event:
    """The event after one attempt: taken by any 2xx, ended by 410, else due again later."""
    attempts = int(event["attempts"]) + 1
    state = TAKEN if 200 <= status < 300 else ENDED if status == 410 else PENDING
    wait = WAITS[min(attempts, len(WAITS)) - 1]
    return {
        **event,
        "attempts": attempts,
        "state": state,
        "due": now + wait * SECOND,
        "last_status": status,
        "last_error": error,
        "sent": dict(headers),
    }


def next_due(events: list[Event], now: int) -> float | None:
    """Seconds until the next event is due, at least 0; None when none waits."""
    waiting = [int(one["due"]) for one in events if one["state"] == PENDING]
    return None if not waiting else max(0.0, (min(waiting) - now) / SECOND)
