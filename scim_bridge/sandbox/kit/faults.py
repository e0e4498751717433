"""Scripted faults: which call goes wrong, how, and how often it did."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scim_bridge.sandbox.kit.store import Store

ACTIONS = ("status", "delay", "drop_before", "drop_after", "truncate", "alter")
KIND = "fault"


class BadFault(ValueError):
    """A fault nobody could follow; the message says which member is wrong."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One scripted fault.

    Strikes calls whose method and path match, from the (`after` + 1)th such call on, `times` times
    (None: always). Actions: `status` answers `status`, `headers` and `body` without acting; `delay`
    waits `seconds`, then acts; `drop_before` closes the connection without acting; `drop_after` acts
    and closes it without an answer; `truncate` acts, announces the whole answer and closes the
    connection after `bytes` of its body; `alter` acts on the request with `find` (a regular expression)
    replaced by `put` in its body, as a peer does that keeps what it is given in a form of its own.
    """

    action: str
    method: str | None = None
    path: str = ""
    after: int = 0
    times: int | None = 1
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    seconds: float = 1.0
    bytes: int = 0
    find: str = ""
    put: str = ""

    def matches(self, method: str, target: str) -> bool:
        """True when a call with this method and path with query is meant."""
        return self.method in (None, method) and re.search(self.path, target) is not None

    def strikes(self, seen: int, fired: int) -> bool:
        """True when the `seen`th matching call (1 is the first) is struck, after `fired` strikes."""
        return seen > self.after and (self.times is None or fired < self.times)


def read_fault(source: object) -> Fault:
    """A fault from JSON: `match` {method, path} beside the members of Fault; BadFault otherwise."""
    if not isinstance(source, Mapping):
        raise BadFault("A fault is an object.")
    match = source.get("match", {})
    if not isinstance(match, Mapping):
        raise BadFault("'match' is an object with method and path.")
    members: dict[str, Any] = {**{k: v for k, v in source.items() if k != "match"}, **match}
    unknown = sorted(set(members) - {*Fault.__dataclass_fields__})
    if unknown:
        raise BadFault(f"A fault has no {unknown[0]!r}.")
    if members.get("action") not in ACTIONS:
        raise BadFault(f"'action' is one of {', '.join(ACTIONS)}.")
    for name in ("after", "times", "status", "bytes"):
        if name in members and not (
            type(members[name]) is int or (name == "times" and members[name] is None)
        ):
            raise BadFault(f"{name!r} is a whole number.")
    if not isinstance(members.get("seconds", 1.0), int | float):
        raise BadFault("'seconds' is a number.")
    for name in ("path", "find"):
        try:
            re.compile(str(members.get(name, "")))
        except re.error as error:
            raise BadFault(f"{name!r} is no regular expression ({error}).") from None
    return Fault(**members)


class Faults:
    """The schedule of one sandbox with its counts, kept in the store so that kill -9 forgets nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries: list[tuple[Fault, dict[str, Any]]] = []
        self.load()

    def load(self) -> None:
        """Read schedule and counts again, after the store was changed elsewhere."""
        self._entries = [(read_fault(value["fault"]), value) for _, value in self._store.all(KIND)]

    def replace(self, schedule: list[object]) -> None:
        """A new schedule, counted from nought; BadFault (and nothing changed) when it cannot be read."""
        for item in schedule:
            read_fault(item)
        with self._store.transaction():
            for key, _ in self._store.all(KIND):
                self._store.delete(KIND, key)
            for number, item in enumerate(schedule):
                self._store.put(KIND, f"{number:04d}", {"fault": item, "seen": 0, "fired": 0})
        self.load()

    def strike(self, method: str, target: str) -> Fault | None:
        """The fault that strikes this call, now counted; the first in the schedule wins."""
        struck: Fault | None = None
        for number, (fault, counts) in enumerate(self._entries):
            if not fault.matches(method, target):
                continue
            counts["seen"] += 1
            if struck is None and fault.strikes(counts["seen"], counts["fired"]):
                counts["fired"] += 1
                struck = fault
            self._store.put(KIND, f"{number:04d}", counts)
        return struck

    def listing(self) -> list[dict[str, Any]]:
        """Each fault as it was given, with `seen` (calls that matched) and `fired` (calls it struck)."""
        return [
            {**counts["fault"], "seen": counts["seen"], "fired": counts["fired"]}
            for _, counts in self._entries
        ]
