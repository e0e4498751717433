"""What an HR system's event says: who it means, what happened to them, when it takes effect. Pure.

Mappings are data (`hr_mappings.py`): a further HR system is one more row, or a table of the settings file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.errors import Invalid
from scim_bridge.registry.signal import AWAY, LEFT, MOVED, RETURNED
from scim_bridge.signals.hr_fields import Day, Paths, at, day, instant, number, text

MOST = 500
WHOLE = "_"


@dataclass(frozen=True, slots=True)
class HrMapping:
    """Where one HR system's events keep what we need.

    Paths are member names joined by dots (a number picks from a list); the first that holds something
    counts. `leaving`, `returning`, `moving` and `going_away` are the event types acted on, `involuntary` the
    kinds of leave that allow no grace. With `each`, a message is about every item of that list: paths start
    at the item, and at the whole message where they start with `_.`.
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
    moving: frozenset[str] = frozenset()
    going_away: frozenset[str] = frozenset()
    # Employee numbers: who has them as employeeNumber of the enterprise extension.
    numbers: Paths = ()
    # The first day of a leave of absence.
    first_day: Paths = ()
    each: str = ""
    # Whether a leaver without a last day is refused; else they have left.
    dated: bool = True
    # Whether a last day that lies ahead is a leave, though the type says that somebody is here.
    by_last_day: bool = False
    # How messages are signed: a name of `kernel.vendor_webhook.SIGNINGS`.
    signing: str = "standard"
    # Whole messages that only try the connection.
    pings: tuple[str, ...] = ()

    @property
    def kinds(self) -> Mapping[str, str]:
        """The kind of signal by the type of event."""
        groups = {RETURNED: self.returning, MOVED: self.moving, AWAY: self.going_away, LEFT: self.leaving}
        return {one: kind for kind, types in groups.items() for one in types}


@dataclass(frozen=True, slots=True)
class Notice:
    """An event as read. `last_day` is the day of a leave, or the first of an absence.

    The reason HR gives is not read: what is kept here is shown to colleagues.
    """

    kind: str
    user_name: str | None
    emails: tuple[str, ...]
    happened: int
    last_day: Day | None = None
    zone: str | None = None
    involuntary: bool = False
    number: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every userName and address the person is given, the most telling first."""
        return (*((self.user_name,) if self.user_name else ()), *self.emails)

    @property
    def named(self) -> str:
        """What the person is called, for whoever looks for what matched nobody."""
        said = (*self.names, *((f"employee number {self.number}",) if self.number else ()))
        return " or ".join(said)


def items(mapping: HrMapping, payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a message is about, one after the other; Invalid when its list is none."""
    if not mapping.each:
        return [payload]
    listed = at(payload, mapping.each)
    if not isinstance(listed, list) or len(listed) > MOST or not all(isinstance(one, dict) for one in listed):
        raise Invalid("hr-list", f"{mapping.each} is not a list of at most {MOST} objects.")
    return [{**one, WHOLE: payload} for one in listed]


def read_notice(mapping: HrMapping, payload: Mapping[str, Any], now: int) -> Notice | None:
    """What an event says; None for a type that is not acted on. Invalid names what is missing or wrong."""
    said = text(payload, mapping.type)
    if said is None:
        raise Invalid("hr-type", f"The event has no type ({' or '.join(mapping.type)}).", "Send one.")
    kind = mapping.kinds.get(said)
    if mapping.by_last_day and kind in (None, RETURNED) and _ahead(day(payload, mapping.last_day), now):
        kind = LEFT
    if kind is None:
        return None
    way = (text(payload, mapping.kind) or "").casefold()
    # Whoever must be stopped at once is not given time for a capital letter.
    involuntary = kind == LEFT and way in {one.casefold() for one in mapping.involuntary}
    days = mapping.first_day if kind == AWAY else mapping.last_day
    found = Notice(
        kind=kind,
        user_name=text(payload, mapping.user_name),
        emails=tuple(dict.fromkeys(email for path in mapping.emails if (email := text(payload, (path,))))),
        happened=instant(payload, mapping.happened, now),
        # Somebody to be stopped at once is not let through for a date that nobody needs.
        last_day=None if involuntary or kind not in (LEFT, AWAY) else day(payload, days),
        zone=text(payload, mapping.zone),
        involuntary=involuntary,
        number=number(payload, mapping.numbers),
    )
    if not found.names and found.number is None:
        wanted = " or ".join((*mapping.user_name, *mapping.emails, *mapping.numbers))
        raise Invalid("hr-person", f"The event names nobody ({wanted}).", "Send a userName or an e-mail.")
    if found.kind == LEFT and mapping.dated and found.last_day is None and not found.involuntary:
        raise Invalid(
            "hr-last-day", f"The event has no last day ({' or '.join(mapping.last_day)}).", "Send a date."
        )
    return found


def _ahead(when: Day | None, now: int) -> bool:
    return when is not None and moment(when, zone_of(())) > now


def effective_at(notice: Notice, person_zone: str | None, now: int) -> int:
    """When it takes effect: a leave at the end of the last day where the person works, an absence when it begins.

    An involuntary leave takes effect at once, whatever day it names. The event's time zone counts
    before the person's; without a known one it is UTC.
    """
    if notice.last_day is None or notice.kind not in (LEFT, AWAY) or notice.involuntary:
        return now
    zone = zone_of((notice.zone, person_zone))
    return moment(notice.last_day, zone, start=notice.kind == AWAY)


def moment(when: Day, zone: ZoneInfo, *, start: bool = False) -> int:
    """The instant that is meant, in microseconds: of a whole day its end, or its start."""
    if isinstance(when, int):
        return when
    if isinstance(when, datetime):
        return int(when.replace(tzinfo=zone).timestamp()) * SECOND
    return end_of_day(when - timedelta(days=1) if start else when, zone)


def end_of_day(day: date, zone: ZoneInfo) -> int:
    """The instant at which a day is over in a time zone, in microseconds."""
    after = day + timedelta(days=1)
    return int(datetime(after.year, after.month, after.day, tzinfo=zone).timestamp()) * SECOND


def zone_of(names: Iterable[str | None]) -> ZoneInfo:
    """The first of these time zones that exists, else UTC."""
    known = (known_zone(name) for name in names if name)
    return next((zone for zone in known if zone is not None), ZoneInfo("UTC"))


def warning(notice: Notice) -> str | None:
    """What the sender should mend although the event is acted on: a leaver must not stay for a misspelt zone."""
    if notice.zone is None or notice.kind not in (LEFT, AWAY) or known_zone(notice.zone) is not None:
        return None
    return (
        f"{notice.zone[:60]!r} is no time zone of the IANA database (write for example Europe/Lisbon);"
        " the day ends where the person is known to work, else in UTC."
    )


def known_zone(name: str) -> ZoneInfo | None:
    """The time zone with this name; None when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
