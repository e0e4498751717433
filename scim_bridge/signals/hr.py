"""What an HR system's event says: which mapping reads it, who it means, when the leave takes effect.

Mappings are data: a further HR system is one more row of `MAPPINGS`, found by the name of its door.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scim_bridge.kernel.clock import SECOND, parse_iso
from scim_bridge.kernel.errors import Invalid
from scim_bridge.registry.signal import LEFT, RETURNED

LONGEST = 320
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_YEARS = range(1970, 2200)

Paths = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HrMapping:
    """Where one HR system's events keep what we need.

    Paths are member names joined by dots (a number picks from a list); the first that holds something
    counts. `leaving` and `returning` are the event types acted on, `involuntary` the kinds of leave
    that allow no grace.
    """

    name: str
    type: Paths
    leaving: frozenset[str]
    returning: frozenset[str]
    happened: Paths
    user_name: Paths
    emails: Paths
    last_day: Paths
    zone: Paths
    kind: Paths
    involuntary: frozenset[str]


GENERIC = HrMapping(
    name="generic",
    type=("type",),
    leaving=frozenset({"employee.leaving", "employee.left", "employee.terminated"}),
    returning=frozenset({"employee.returned", "employee.rehired", "employee.leave_cancelled"}),
    happened=("timestamp",),
    user_name=("data.employee.user_name", "data.employee.userName"),
    emails=("data.employee.work_email", "data.employee.email"),
    last_day=("data.last_day",),
    zone=("data.employee.time_zone",),
    kind=("data.kind",),
    involuntary=frozenset({"involuntary"}),
)
MAPPINGS: Mapping[str, HrMapping] = {mapping.name: mapping for mapping in (GENERIC,)}


@dataclass(frozen=True, slots=True)
class Notice:
    """An event as read. `last_day` is a date, or an instant in microseconds where HR gives one.

    The reason HR gives is not read: what is kept here is shown to colleagues.
    """

    kind: str
    user_name: str | None
    emails: tuple[str, ...]
    happened: int
    last_day: date | int | None = None
    zone: str | None = None
    involuntary: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Every name the person is given, the most telling first."""
        return (*((self.user_name,) if self.user_name else ()), *self.emails)


def mapping_for(name: str) -> HrMapping:
    """The mapping of a door: the one of its name, else the generic one."""
    return MAPPINGS.get(name, GENERIC)


def read_notice(mapping: HrMapping, payload: Mapping[str, Any], now: int) -> Notice | None:
    """What an event says; None for a type that is not acted on. Invalid names what is missing or wrong."""
    kind = _text(payload, mapping.type)
    if kind is None:
        raise Invalid("hr-type", f"The event has no type ({' or '.join(mapping.type)}).", "Send one.")
    if kind not in mapping.leaving | mapping.returning:
        return None
    involuntary = _text(payload, mapping.kind) in mapping.involuntary
    found = Notice(
        kind=LEFT if kind in mapping.leaving else RETURNED,
        user_name=_text(payload, mapping.user_name),
        emails=tuple(dict.fromkeys(email for path in mapping.emails if (email := _text(payload, (path,))))),
        happened=_instant(payload, mapping.happened, now),
        # Somebody to be stopped at once is not let through for a date that nobody needs.
        last_day=None if involuntary else _last_day(payload, mapping.last_day),
        zone=_text(payload, mapping.zone),
        involuntary=involuntary,
    )
    if not found.names:
        wanted = " or ".join((*mapping.user_name, *mapping.emails))
        raise Invalid("hr-person", f"The event names nobody ({wanted}).", "Send a userName or an e-mail.")
    if found.kind == LEFT and found.last_day is None and not found.involuntary:
        raise Invalid(
            "hr-last-day", f"The event has no last day ({' or '.join(mapping.last_day)}).", "Send a date."
        )
    return found


def effective_at(notice: Notice, person_zone: str | None, now: int) -> int:
    """When the leave takes effect: the end of the last day where the person works.

    An involuntary leave takes effect at once, whatever day it names. The event's time zone counts
    before the person's; without a known one it is UTC.
    """
    day = notice.last_day
    if day is None or notice.kind != LEFT or notice.involuntary:
        return now
    return day if isinstance(day, int) else end_of_day(day, zone_of((notice.zone, person_zone)))


def end_of_day(day: date, zone: ZoneInfo) -> int:
    """The instant at which a day is over in a time zone, in microseconds."""
    after = day + timedelta(days=1)
    return int(datetime(after.year, after.month, after.day, tzinfo=zone).timestamp()) * SECOND


def zone_of(names: Iterable[str | None]) -> ZoneInfo:
    """The first of these time zones that exists, else UTC."""
    known = (_zone(name) for name in names if name)
    return next((zone for zone in known if zone is not None), ZoneInfo("UTC"))


def warning(notice: Notice) -> str | None:
    """What the sender should mend although the event is acted on: a leaver must not stay for a misspelt zone."""
    if notice.zone is None or notice.kind != LEFT or _zone(notice.zone) is not None:
        return None
    return (
        f"{notice.zone[:60]!r} is no time zone of the IANA database (write for example Europe/Lisbon);"
        " the day ends where the person is known to work, else in UTC."
    )


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _at(payload: Any, path: str) -> Any:
    here = payload
    for part in path.split("."):
        if isinstance(here, Mapping):
            here = here.get(part)
        elif isinstance(here, list) and part.isdigit() and int(part) < len(here):
            here = here[int(part)]
        else:
            return None
    return here


def _text(payload: Mapping[str, Any], paths: Paths) -> str | None:
    for path in paths:
        value = _at(payload, path)
        if value is None or value == "":
            continue
        if not isinstance(value, str) or len(value) > LONGEST or not value.isprintable():
            raise Invalid(
                "hr-field", f"{path} is not a short, printable text.", f"At most {LONGEST} characters."
            )
        return value.strip() or None
    return None


def _instant(payload: Mapping[str, Any], paths: Paths, now: int) -> int:
    value = _text(payload, paths)
    if value is None:
        return now
    try:
        return parse_iso(value)
    except ValueError as error:
        raise Invalid(
            "hr-time", f"{paths[0]} is not a date and time with a zone.", "Write 2026-11-24T10:00:00Z."
        ) from error


def _last_day(payload: Mapping[str, Any], paths: Paths) -> date | int | None:
    value = _text(payload, paths)
    if value is None:
        return None
    try:
        day = date.fromisoformat(value[:10])
        if day.year not in _YEARS:
            raise ValueError(value)
        return day if _DATE.fullmatch(value) else parse_iso(value)
    except ValueError as error:
        raise Invalid("hr-last-day", f"{paths[0]} is not a date.", "Write it as 2026-11-24.") from error
