"""Maintenance windows: when a rotation may begin and an old credential may go. Pure.

Written "Mon-Fri 02:00-04:00 Europe/Berlin"; several are parted by a semicolon. A window may pass midnight.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.errors import Invalid

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM = re.compile(
    r"(?:(?P<days>[A-Za-z]{3}(?:[-,][A-Za-z]{3})*)\s+)?(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)(?:\s+(?P<zone>\S+))?"
)


@dataclass(frozen=True, slots=True)
class Window:
    """One window: weekdays (Monday is 0), local start and end, zone."""

    days: frozenset[int]
    start: time
    end: time
    zone: ZoneInfo


def read_windows(text: str) -> tuple[Window, ...]:
    """The windows in a text; none in an empty one. Invalid names what cannot be read."""
    return tuple(_read(part.strip()) for part in text.split(";") if part.strip())


def _read(text: str) -> Window:
    match = _FORM.fullmatch(text)
    if match is None:
        raise _invalid(text)
    try:
        start, end = (time.fromisoformat(match[name]) for name in ("start", "end"))
        zone = ZoneInfo(match["zone"] or "UTC")
        window = Window(_days(match["days"] or "mon-sun"), start, end, zone)
    except (ValueError, ZoneInfoNotFoundError, OSError) as error:
        # OSError: a name that is a folder of zones ("Europe"), or too long for a file.
        raise _invalid(text) from error
    if start == end:
        raise _invalid(text)
    return window


def _days(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.casefold().split(","):
        first, _, last = part.partition("-")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        span = (end - begin) % 7
        found |= {(begin + step) % 7 for step in range(span + 1)}
    return frozenset(found)


def _invalid(text: str) -> Invalid:
    return Invalid(
        "window",
        f"{text[:80]!r} is no maintenance window.",
        "Write for example Mon-Fri 02:00-04:00 Europe/Berlin.",
    )


def next_open(windows: tuple[Window, ...], instant: int) -> int:
    """The first instant from `instant` on (microseconds) that is in a window; itself when there are none."""
    if not windows:
        return instant
    return min(_next(window, instant) for window in windows)


def _next(window: Window, instant: int) -> int:
    here = datetime.fromtimestamp(instant / SECOND, UTC).astimezone(window.zone)
    # From yesterday on, for a window that began then may still be open; each weekday comes within eight days,
    # and once more where a clock that is put forward skips the whole window.
    for ahead in range(-1, 16):
        day = (here + timedelta(days=ahead)).date()
        if day.weekday() not in window.days:
            continue
        start = datetime.combine(day, window.start, window.zone)
        last = day + timedelta(days=1) if window.end <= window.start else day
        end = datetime.combine(last, window.end, window.zone)
        opens, closes = (int(moment.timestamp()) * SECOND for moment in (start, end))
        if instant < closes and opens < closes:
            return max(opens, instant)
    raise AssertionError("a window has at least one weekday")
