"""What is done to the machines and when: drawn from a seed, so that a run can be told again. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

KILL: Final = "kill -9"
FAST: Final = "PostgreSQL restarted (connections cut)"
CRASH: Final = "PostgreSQL restarted (crash and recovery)"
# The last blow comes so long before the end that what it broke is seen to mend under load.
MENDING: Final = 0.1


@dataclass(frozen=True, slots=True)
class Blow:
    """One act of violence, so many seconds after the start."""

    at: float
    what: str
    target: str = ""


def drawn(
    seed: int, seconds: float, members: Sequence[str], *, every: float = 10.0, restarts: int = 2
) -> list[Blow]:
    """Somebody killed every so many seconds, and the database restarted so many times in between, in order.

    Each kind of restart comes in turn. The same seed gives the same blows.
    """
    chance = random.Random(seed)
    last = seconds * (1 - MENDING)
    kills = [
        Blow(round(every * (number + 1), 2), KILL, chance.choice(sorted(members)))
        for number in range(int(last // every))
    ]
    parts = seconds / (restarts + 1)
    moments = [parts * (number + 1) + chance.uniform(-0.2, 0.2) * parts for number in range(restarts)]
    torn = [
        Blow(round(min(at, last), 2), (FAST, CRASH)[number % 2], "postgresql")
        for number, at in enumerate(moments)
    ]
    return sorted([*kills, *torn], key=lambda blow: blow.at)


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which something was being restarted: from the blow until all who answer answered again."""

    began: float
    ended: float
    why: str


def overlaps(windows: Sequence[Window], began: float, ended: float) -> bool:
    """True when a call that took this time met one of the windows."""
    return any(began <= each.ended and ended >= each.began for each in windows)


def covered(windows: Sequence[Window], until: float) -> float:
    """How many seconds of the run lie in windows, counted once where they overlap."""
    total, reached = 0.0, 0.0
    for each in sorted(windows, key=lambda one: one.began):
        began, ended = max(each.began, reached), min(each.ended, until)
        total += max(0.0, ended - began)
        reached = max(reached, ended)
    return total
