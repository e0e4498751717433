"""Time as a value for the sandboxes: microseconds since 1970-01-01T00:00:00Z, told by a clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

SECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Something that tells the time in microseconds since the epoch, UTC."""

    def now(self) -> int:
        """The current instant."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """The machine's current instant."""
        return time.time_ns() // 1000


def iso(instant: int) -> str:
    """Write an instant as RFC 3339 in UTC with milliseconds."""
    seconds, micros = divmod(instant, SECOND)
    return f"{(_EPOCH + timedelta(seconds=seconds)).strftime('%Y-%m-%dT%H:%M:%S')}.{micros // 1000:03d}Z"


def parse_iso(text: str) -> int:
    """Read an RFC 3339 instant with a zone; ValueError when it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no zone in {text[:40]!r}")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def http_date(instant: int) -> str:
    """Write an instant as an HTTP Date header (RFC 9110 section 5.6.7)."""
    return (_EPOCH + timedelta(seconds=instant // SECOND)).strftime("%a, %d %b %Y %H:%M:%S GMT")
