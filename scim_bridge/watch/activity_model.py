"""Activity as values: one thing an agent did, read from whatever a sender calls it. Pure."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from scim_bridge.kernel.clock import DAY, HOUR, MINUTE, parse_iso

OK, DENIED, ERROR = "ok", "denied", "error"
KINDS = ("tool", "model", "message", "data", "session", "other")
OUTCOMES: Mapping[str, str] = {
    **dict.fromkeys(("ok", "success", "allowed", "permit", "succeeded"), OK),
    **dict.fromkeys(("denied", "deny", "forbidden", "refused", "unauthorized"), DENIED),
    **dict.fromkeys(("error", "failed", "failure", "timeout"), ERROR),
}
LONGEST_NAME = 256
LONGEST_RESOURCE = 1024
# A sender's clock may be ahead by so much; what is older than this is history and no activity.
AHEAD = 10 * MINUTE
OLDEST = 30 * DAY
MOST_COST = 10**12

_ID = re.compile(
    r"[0-9]+|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|[0-9a-fA-F]{16,}"
    r"|[^/:#?=&]*[0-9]{4,}[^/:#?=&]*"
)
_SPLIT = re.compile(r"([/:#?=&])")


class Rejected(Exception):
    """One event is not taken: `code` is stable, the text says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Event:
    """One thing an agent did. `agent` is what the sender calls it; `at` in microseconds; `origin` is a region
    or an address, empty when it is not told; `cost` counts whatever the sender counts (tokens)."""

    key: str
    source: str
    event_id: str
    at: int
    agent: str
    kind: str
    action: str
    resource: str = ""
    tool: str = ""
    outcome: str = OK
    origin: str = ""
    cost: int = 0


def key_of(source: str, event_id: str) -> str:
    """What makes an event the same one when it comes again: 128 bits over its source and id."""
    digest = hashlib.blake2b(f"{source}\0{event_id}".encode(), digest_size=16).digest()
    return base64.urlsafe_b64encode(digest)[:22].decode()


def read_event(told: Any, source: str, now: int) -> Event:
    """An event of our own form: {"id", "agent", "time", "action", …}; Rejected says what is wrong with it.

    `source` is the batch's; an event may name its own.
    """
    if not isinstance(told, Mapping):
        raise Rejected("event-object", "An event is a JSON object.")
    given: Mapping[str, Any] = told
    source = _name(given, "source") or source
    if not source:
        raise Rejected("source-missing", "Say who sends it: source, in the event or the batch.")
    event_id, agent = _name(given, "id"), _name(given, "agent")
    if not event_id:
        raise Rejected("id-missing", "An event needs an id, unique within its source.")
    if not agent:
        raise Rejected("agent-missing", "An event needs an agent: its id, slug, userName or workload id.")
    tool, action = _name(given, "tool"), _name(given, "action")
    if not action and not tool:
        raise Rejected("action-missing", "An event needs an action, or a tool.")
    return Event(
        key_of(source, event_id),
        source,
        event_id,
        instant(given.get("time"), now),
        agent,
        _kind(given.get("kind"), tool),
        action or f"use {tool}",
        _name(given, "resource", LONGEST_RESOURCE),
        tool,
        outcome_of(given.get("outcome", OK)),
        _name(given, "region") or _name(given, "address"),
        _cost(given),
    )


def _name(told: Mapping[str, Any], key: str, longest: int = LONGEST_NAME) -> str:
    value = told.get(key)
    if value is None:
        return ""
    if isinstance(value, str):
        return checked(value, key, longest)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Rejected(f"{key}-invalid", f"{key} must be text.")


def checked(value: str, key: str, longest: int = LONGEST_NAME) -> str:
    """A text that may be kept: not too long, printable on one line."""
    if len(value) > longest:
        raise Rejected(f"{key}-too-long", f"{key} has more than {longest} characters.")
    if not value.isprintable():
        raise Rejected(f"{key}-invalid", f"{key} holds characters that cannot be shown.")
    return value


def instant(value: Any, now: int) -> int:
    """An RFC 3339 instant that can be meant; `now` when none is given."""
    if value is None:
        return now
    if not isinstance(value, str):
        raise Rejected("time-invalid", "time must be an RFC 3339 text.")
    try:
        at = parse_iso(value)
    except ValueError as error:
        raise Rejected("time-invalid", "time must be an RFC 3339 date and time with a zone.") from error
    return plausible(at, now)


def plausible(at: int, now: int) -> int:
    """An instant that is neither ahead of us nor history."""
    if at > now + AHEAD:
        raise Rejected("time-ahead", "time is more than ten minutes ahead: check the sender's clock.")
    if at < now - OLDEST:
        raise Rejected("time-old", f"time is more than {OLDEST // DAY} days ago.")
    return at


def outcome_of(value: Any) -> str:
    """How it ended, in one of three words."""
    found = OUTCOMES.get(value) if isinstance(value, str) else None
    if found is None:
        raise Rejected("outcome-invalid", "outcome must be ok, denied or error.")
    return found


def _kind(value: Any, tool: str) -> str:
    if value is None:
        return "tool" if tool else "other"
    if value not in KINDS:
        raise Rejected("kind-invalid", f"kind must be one of {', '.join(KINDS)}.")
    return str(value)


def _cost(told: Mapping[str, Any]) -> int:
    value = told.get("cost")
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_COST:
        raise Rejected("cost-invalid", "cost must be a whole number, not negative.")
    return value


@lru_cache(maxsize=65_536)
def family(resource: str) -> str:
    """What a resource is one of: each part that looks like an id becomes `*` (tickets/4711 → tickets/*)."""
    parts = _SPLIT.split(resource)
    return "".join("*" if _ID.fullmatch(part) else part for part in parts)[:LONGEST_NAME]


def hour_of(at: int) -> int:
    """The hour an instant is in: hours since 1970, UTC."""
    return at // HOUR
