"""What is usual for an agent, as values: one hour of it, what was learnt, and what is odd. Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

WEEK = 168
DAY = 24
# Hour 0 of 1970 was a Thursday's; weeks here begin on Monday.
FIRST_HOUR = 72

RATE, NEW_RESOURCE, NEW_ACTION, OUT_OF_HOURS = "rate", "new-resource", "new-action", "out-of-hours"
DENIALS, DORMANT, CONCURRENCY, UNDECLARED = "denials", "dormant", "concurrency", "undeclared-tool"
KINDS = (RATE, NEW_RESOURCE, NEW_ACTION, OUT_OF_HOURS, DENIALS, DORMANT, CONCURRENCY, UNDECLARED)
LOW, MEDIUM, HIGH = "low", "medium", "high"
SEVERITIES = (LOW, MEDIUM, HIGH)
TOGETHER = "together"
# What is counted together where an hour has too many values to keep each.
OTHERS = "(others)"

_HEAD = struct.Struct("<Bqqq9d")
_SLOTS = struct.Struct(f"<{WEEK}f")
VERSION = 1


class Unreadable(ValueError):
    """A stored state was written by another version: what it knew has to be learnt again."""


@dataclass(frozen=True, slots=True)
class Hour:
    """What one agent did in an hour (`hour`: since 1970, UTC).

    `resources`, `actions`, `tools` count events by value; `together` are pairs of origins that acted by
    turns within minutes, "a | b".
    """

    hour: int
    events: int = 0
    denied: int = 0
    resources: Mapping[str, int] = field(default_factory=dict)
    actions: Mapping[str, int] = field(default_factory=dict)
    tools: Mapping[str, int] = field(default_factory=dict)
    together: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """What was learnt of an agent up to the hour `through` (not with it).

    `means` and `activity` are one number for each hour of the week: events, and how often there were any.
    `level` is how busy it is lately beside these; `spread` how much wider its counts scatter than chance;
    `excess` what a slow rise has added up to; `denial` the share denied; `fresh_resources` and
    `fresh_actions` how many new ones a day is usual; `gap` the longest silence in hours.
    """

    since: int
    through: int
    last_active: int
    level: float = 1.0
    spread: float = 2.0
    excess: float = 0.0
    denial: float = 0.0
    fresh_resources: float = 1.0
    fresh_actions: float = 1.0
    gap: float = 0.0
    today: float = 0.0
    expected_today: float = 0.0
    means: tuple[float, ...] = (0.0,) * WEEK
    activity: tuple[float, ...] = (0.0,) * WEEK

    @property
    def days(self) -> float:
        """Days of history."""
        return (self.through - self.since) / DAY

    def stored(self) -> bytes:
        """The state in 1.4 kB, floats of 32 bits for the hours of the week."""
        head = _HEAD.pack(
            VERSION,
            self.since,
            self.through,
            self.last_active,
            self.level,
            self.spread,
            self.excess,
            self.denial,
            self.fresh_resources,
            self.fresh_actions,
            self.gap,
            self.today,
            self.expected_today,
        )
        return head + _SLOTS.pack(*self.means) + _SLOTS.pack(*self.activity)


def state_of(stored: bytes) -> State:
    """The state that `stored` made; Unreadable when it is another version's."""
    if len(stored) != _HEAD.size + 2 * _SLOTS.size or stored[0] != VERSION:
        raise Unreadable
    head: list[Any] = list(_HEAD.unpack_from(stored)[1:])
    head += [_SLOTS.unpack_from(stored, at) for at in (_HEAD.size, _HEAD.size + _SLOTS.size)]
    return State(*head)


@dataclass(frozen=True, slots=True)
class Known:
    """What an agent is known for, as far as it touches one hour."""

    resources: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    together: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something odd in one hour. `subject` tells two of a kind apart; `figures` are the numbers of `why`; `about`
    are the tools or origins it speaks of, for the events behind it."""

    kind: str
    severity: str
    why: str
    hour: int
    subject: str = ""
    figures: Mapping[str, float | int | str] = field(default_factory=dict)
    about: tuple[str, ...] = ()


def slot(hour: int) -> int:
    """The hour of the week, 0 being Monday's first in UTC."""
    return (hour + FIRST_HOUR) % WEEK


def weekend(at: int) -> bool:
    """Whether an hour of the week is Saturday's or Sunday's."""
    return at >= 5 * DAY
