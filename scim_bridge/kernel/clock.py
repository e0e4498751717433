"""Time as a value: instants are integers, microseconds since 1970-01-01T00:00:00Z."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


class Clock(Protocol):
    """Something that tells the time."""

    def now(self) -> int:
        """The current instant in microseconds since the epoch, UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """The machine's current instant in microseconds."""
        return time.time_ns() // 1000


class ManualClock:
    """A clock that moves only when told to, for tests, drills and simulations."""

    def __init__(self, start: int = 1_795_000_000 * SECOND) -> None:
        self._now = start

    def now(self) -> int:
        """The instant it was last set to."""
        return self._now

    def advance(self, *, seconds: float = 0, days: float = 0) -> None:
        """Move forward (or back, with a negative amount)."""
        self._now += int(seconds * SECOND + days * DAY)


def iso(instant: int) -> str:
    """Write an instant as RFC 3339 in UTC with milliseconds: `2026-11-24T10:00:00.000Z`."""
    return f"{_stamp(instant // SECOND)}.{instant % SECOND // 1000:03d}Z"


# What was made together is shown together: of a page of resources, many share their second.
@lru_cache(maxsize=4096)
def _stamp(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]


def parse_iso(text: str) -> int:
    """Read an RFC 3339 instant (date, time and zone are required); ValueError when it is none."""
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 date and time with a zone: {text[:40]!r}")
    year, month, day, hour, minute, second = (int(match.group(n)) for n in range(1, 7))
    micros = int((match.group(7) or "0").ljust(6, "0")[:6])
    zone = match.group(8)
    offset = 0
    if zone not in "Zz":
        offset = (int(zone[1:3]) * 60 + int(zone[4:6])) * (1 if zone[0] == "+" else -1)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - timedelta(minutes=offset)
    except OverflowError as error:
        raise ValueError(f"outside the years 1 to 9999: {text[:40]!r}") from error
    return int((moment - _EPOCH).total_seconds()) * SECOND + micros
