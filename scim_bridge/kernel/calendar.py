"""What time it is where the business is: hour, weekday, holiday, business hours. Pure but for one file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scim_bridge.kernel.clock import MINUTE
from scim_bridge.kernel.errors import ConfigurationError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([a-z]{3})(?:-([a-z]{3}))? (\d\d):(\d\d)-(\d\d):(\d\d)")
_YEARLY = re.compile(r"(\d\d)-(\d\d)")
HOURS_FIX = 'Write "mon-fri 09:00-17:00", several after semicolons.'


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as clocks and calendars there show it. `minute` counts from midnight."""

    date: str
    weekday: str
    hour: int
    minute: int
    holiday: bool
    business_hours: bool


@dataclass(frozen=True)
class Calendar:
    """A time zone with its business hours: (weekday, from, to) in minutes; `to` at or before `from` is next day."""

    zone: ZoneInfo | None = None
    spans: tuple[tuple[int, int, int], ...] = tuple((day, 540, 1020) for day in range(5))
    holidays: frozenset[date] = frozenset()
    yearly: frozenset[tuple[int, int]] = frozenset()

    def at(self, now: int) -> Moment:
        """What clocks and calendars show at an instant."""
        return _moment(self, now // MINUTE)

    def _holiday(self, day: date) -> bool:
        return day in self.holidays or (day.month, day.day) in self.yearly

    def moment(self, minutes: int) -> Moment:
        """The same, counted in minutes since the epoch."""
        here = datetime.fromtimestamp(minutes * 60, self.zone or UTC)
        today, minute = here.date(), here.hour * 60 + here.minute
        yesterday = today - timedelta(days=1)
        open_ = any(
            (
                (day == today.weekday() and start <= minute and (minute < end or end <= start))
                and not self._holiday(today)
            )
            or (
                (day == yesterday.weekday() and end <= start and minute < end)
                and not self._holiday(yesterday)
            )
            for day, start, end in self.spans
        )
        name = DAYS[today.weekday()]
        return Moment(today.isoformat(), name, here.hour, minute, self._holiday(today), open_)


@lru_cache(maxsize=64)
def _moment(calendar: Calendar, minutes: int) -> Moment:
    return calendar.moment(minutes)


def read_calendar(zone: str, hours: str, holidays: Iterable[str], file: str) -> Calendar:
    """The calendar of the settings `access.time_zone` and others; ConfigurationError names the wrong one."""
    try:
        found = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(
            "access.time_zone", f"{zone!r} is no time zone", "Write a name such as Europe/Berlin."
        ) from error
    spans = [span for part in hours.split(";") if part.strip() for span in _spans(part.strip().casefold())]
    days: set[date] = set()
    yearly: set[tuple[int, int]] = set()
    for key, text in [("access.holidays", day) for day in holidays] + _lines(file):
        _take(key, text, days, yearly)
    return Calendar(found, tuple(spans), frozenset(days), frozenset(yearly))


def _spans(text: str) -> list[tuple[int, int, int]]:
    match = _SPAN.fullmatch(text)
    key = "access.business_hours"
    if match is None or match[1] not in DAYS or (match[2] or match[1]) not in DAYS:
        raise ConfigurationError(key, f"{text!r} is no span of a week", HOURS_FIX)
    first, last = DAYS.index(match[1]), DAYS.index(match[2] or match[1])
    start, end = (int(match[n]) * 60 + int(match[n + 1]) for n in (3, 5))
    if start >= 1440 or end > 1440 or int(match[4]) > 59 or int(match[6]) > 59:
        raise ConfigurationError(key, f"{text!r} is no time of day", HOURS_FIX)
    return [((first + n) % 7, start, end) for n in range((last - first) % 7 + 1)]


def _lines(file: str) -> list[tuple[str, str]]:
    """(where, date) of a file: a date in each line, what follows it is its name."""
    if not file:
        return []
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigurationError(
            "access.holidays_file", f"{file} cannot be read ({reason})", "Check the path."
        ) from error
    return [
        (f"access.holidays_file: line {number}", line.split()[0])
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]


def _take(key: str, text: str, days: set[date], yearly: set[tuple[int, int]]) -> None:
    try:
        if match := _YEARLY.fullmatch(text):
            # 29 February is a day, in some years.
            date(2024, int(match[1]), int(match[2]))
            yearly.add((int(match[1]), int(match[2])))
        else:
            days.add(date.fromisoformat(text))
    except ValueError as error:
        raise ConfigurationError(
            key, f"{text!r} is no date", "Write 2026-12-25, or 12-25 for every year."
        ) from error
