"""What follows from how a person is at an IdP now, and from what was said and seen before. Pure; time passed in.

Facts are named after what is true there, not after the event that told of it: told twice, by two
doors or out of order, one fact is one signal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from scim_bridge.registry.connection_settings import SUSPENDED
from scim_bridge.registry.news import RemotePerson, There
from scim_bridge.registry.signal import AWAY, DELETED, LEFT, MOVED, RETURNED

GONE_KINDS = (LEFT, DELETED, AWAY)
ABOUT_STATE = (*GONE_KINDS, RETURNED)
LEAVES = "leaves"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is true there and was not known: a signal's kind and key, its times, and words for people.

    `said` completes "Okta (acme) says Maria Costa …".
    """

    kind: str
    key: str
    at: int
    effective_at: int
    said: str


@dataclass(frozen=True, slots=True)
class Said:
    """The last signal about the person's presence that this tenant gave: its kind, key and time."""

    kind: str
    key: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """The person as last read there: manager and department, empty where not known."""

    manager: str
    department: str


def what_follows(
    remote: RemotePerson, last: Said | None, seen: Seen | None, now: int, *, suspended: str = SUSPENDED[0]
) -> list[Fact]:
    """The facts that are news after `last`, in order.

    Each is true at the moment of the reading, whatever the IdP's clock says; what is so since a moment in
    the future (a clock that is ahead) is so now. Where the IdP does not say since when, the moment of the
    reading names the fact: then only `last` tells one time from another.
    """
    if last is not None:
        # What is said later is of a later time, whichever process says it and by whose clock.
        now = max(now, last.at)
    since = min(remote.since, now) if remote.since is not None else now
    if remote.there is There.ABSENT:
        return _once(Fact(DELETED, _key(remote, "deleted", None), now, now, "was deleted"), last)
    if remote.there is There.GONE:
        return _once(Fact(LEFT, _key(remote, "gone", remote.since), now, since, "was deactivated"), last)
    if remote.there is There.SUSPENDED and suspended != "ignored":
        kind = AWAY if suspended == "away" else LEFT
        key = _key(remote, "suspended", remote.since)
        return _once(Fact(kind, key, now, since, "was suspended"), last)
    return [*_presence(remote, last, now), *_moved(remote, seen, now)]


def _key(remote: RemotePerson, what: str, since: int | None) -> str:
    return f"{remote.remote_id}:{what}:{'' if since is None else since}"


def _once(fact: Fact, last: Said | None) -> list[Fact]:
    """The fact, unless it is what was said last; named after this moment where nothing else names it."""
    if last is not None and last.key.startswith(fact.key) and last.kind == fact.kind:
        return []
    return [replace(fact, key=f"{fact.key}{fact.at}") if fact.key.endswith(":") else fact]


def _presence(remote: RemotePerson, last: Said | None, now: int) -> list[Fact]:
    leave_at = remote.leave_at
    found = []
    planned = last is not None and f":{LEAVES}:" in last.key
    if last is not None and last.kind in GONE_KINDS and (leave_at is None or not planned):
        # Named after what it takes back: each leave can be taken back once.
        key = f"{remote.remote_id}:back:{last.key.rpartition(':back:')[2]}"
        found.append(Fact(RETURNED, key, now, now, "is there and active"))
    if leave_at is not None:
        leave = Fact(LEFT, f"{_key(remote, LEAVES, leave_at)}:", now, leave_at, "has a leave date")
        found += _once(leave, last)
    return found


def _moved(remote: RemotePerson, seen: Seen | None, now: int) -> list[Fact]:
    if seen is None:
        return []
    changes = [
        f"{what} from {before} to {after or 'none'}"
        for what, before, after in (
            ("manager", seen.manager, remote.manager),
            ("department", seen.department, remote.department),
        )
        # What was not known before is no change.
        if before and before != after
    ]
    if not changes:
        return []
    said = f"changed {' and '.join(changes)}"
    return [Fact(MOVED, f"{remote.remote_id}:moved:{now}", now, now, said)]
