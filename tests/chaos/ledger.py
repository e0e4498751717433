"""What the clients were told: every write with its outcome, and what the database may therefore hold. Pure.

Each subject has one writer, which sends the next change only when the last one is over. So the end must be the
last acknowledged value, or one of those that were sent after it and never acknowledged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

ACKED: Final = "acknowledged"
OPEN: Final = "open"
# Nobody knows whether it happened: the connection broke, and the client gave up.
UNKNOWN: Final = "unknown"
# Said not to have happened.
REFUSED: Final = "refused"

Key = tuple[str, str]
"""What kind of fact and of whom: ("title", "ann@corp.test")."""


@dataclass(slots=True)
class Entry:
    """One write. `request` is the id all its tries carried; times in seconds since the start."""

    key: Key
    value: Any
    request: str
    began: float
    state: str = OPEN
    ended: float = 0.0
    tries: int = 0


@dataclass(slots=True)
class Ledger:
    """Every write of a run, in the order of their beginning."""

    entries: list[Entry] = field(default_factory=list)
    _of: dict[Key, list[Entry]] = field(default_factory=lambda: defaultdict(list))

    def begin(self, kind: str, whom: str, value: Any, request: str, now: float) -> Entry:
        """A write is sent."""
        entry = Entry((kind, whom), value, request, now)
        self.entries.append(entry)
        self._of[entry.key].append(entry)
        return entry

    def last(self, kind: str, whom: str) -> Entry | None:
        """The newest write of a subject."""
        found = self._of.get((kind, whom))
        return found[-1] if found else None

    def sure(self, kind: str, whom: str) -> tuple[Any, float] | None:
        """The value everybody must see now, and since when; None while a write is open or unknown."""
        found = self._of.get((kind, whom))
        if not found or found[-1].state != ACKED:
            return None
        return found[-1].value, found[-1].ended

    def subjects(self) -> Iterable[Key]:
        """Every subject that was written."""
        return self._of.keys()

    def allowed(self, key: Key, before: Any) -> list[Any]:
        """The values the database may hold at the end; `before` is what it held at the start."""
        values = [before]
        for entry in self._of[key]:
            if entry.state == ACKED:
                values = [entry.value]
            elif entry.state != REFUSED:
                values.append(entry.value)
        return values

    def counts(self) -> dict[str, int]:
        """How many writes ended how."""
        found: dict[str, int] = defaultdict(int)
        for entry in self.entries:
            found[entry.state] += 1
        return dict(found)


@dataclass(frozen=True, slots=True)
class Lost:
    """An acknowledged write that is not there."""

    kind: str
    whom: str
    allowed: list[Any]
    found: Any
    requests: list[str]


def lost(ledger: Ledger, found: Mapping[Key, Any], before: Mapping[Key, Any]) -> list[Lost]:
    """Every subject whose value at the end is none of those it may have. What is not in `found` is None."""
    missing = []
    for key in ledger.subjects():
        allowed = ledger.allowed(key, before.get(key))
        if found.get(key) not in allowed:
            requests = [entry.request for entry in ledger.entries if entry.key == key]
            missing.append(Lost(*key, allowed, found.get(key), requests[-5:]))
    return missing
