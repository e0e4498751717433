"""Employees as this HR system keeps them, and the event it sends about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

KINDS = ("voluntary", "involuntary")


class Refusal(Exception):
    """The request cannot be followed; the message says why and is the answer (400)."""


@dataclass(frozen=True, slots=True)
class Employee:
    """One employee. `status` is active or terminated; `last_day` is an ISO date once known."""

    id: str
    work_email: str
    first_name: str
    last_name: str
    manager_email: str = ""
    time_zone: str = "UTC"
    status: str = "active"
    last_day: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The employee as JSON-ready values."""
        return asdict(self)


def upserted(body: Mapping[str, Any], known: Employee | None, new_id: str) -> Employee:
    """The employee after an upsert: `email` and names are needed for a new one; Refusal otherwise."""
    email = text(body, "email", known.work_email if known else "")
    if "@" not in email:
        raise Refusal("'email' must be an e-mail address.")
    base = known or Employee(text(body, "employee_id", new_id) or new_id, email, "", "")
    made = replace(
        base,
        work_email=email,
        first_name=text(body, "first_name", base.first_name),
        last_name=text(body, "last_name", base.last_name),
        manager_email=text(body, "manager_email", base.manager_email),
        time_zone=zone_name(text(body, "time_zone", base.time_zone)),
        status="active",
        last_day="",
    )
    if not made.first_name or not made.last_name:
        raise Refusal("'first_name' and 'last_name' are needed.")
    return made


def leaving(employee: Employee, body: Mapping[str, Any], now: float) -> tuple[Employee, dict[str, Any]]:
    """The employee after a notice, and the data of the event; Refusal for a bad date, zone or kind.

    Without `last_day` it is today where the employee is.
    """
    zone = zone_name(text(body, "time_zone", employee.time_zone))
    kind = text(body, "kind", "voluntary")
    if kind not in KINDS:
        raise Refusal(f"'kind' is one of {', '.join(KINDS)}.")
    last_day = text(body, "last_day", today(zone, now))
    try:
        date.fromisoformat(last_day)
    except ValueError:
        raise Refusal("'last_day' is a date such as 2026-11-24.") from None
    gone = replace(employee, status="terminated", last_day=last_day, time_zone=zone)
    return gone, {
        "employee": _person(gone),
        "last_day": last_day,
        "kind": kind,
        "reason": text(body, "reason", kind),
    }


def returning(employee: Employee) -> tuple[Employee, dict[str, Any]]:
    """The employee who stays after all or is hired again, and the data of the event."""
    back = replace(employee, status="active", last_day="")
    return back, {"employee": _person(back)}


def stranger(email: str, new_id: str) -> Employee:
    """An employee nobody entered before, named after the e-mail; Refusal when that is none."""
    local, at, domain = email.partition("@")
    if not (local and at and domain):
        raise Refusal("'email' must be an e-mail address.")
    first, _, last = local.replace("_", ".").partition(".")
    return Employee(new_id, email, first.capitalize(), (last or domain.split(".")[0]).capitalize())


def today(zone: str, now: float) -> str:
    """The date in a time zone, ISO; `now` in seconds."""
    return datetime.fromtimestamp(now, ZoneInfo(zone)).date().isoformat()


def _person(employee: Employee) -> dict[str, Any]:
    return {key: value for key, value in employee.as_dict().items() if key not in ("status", "last_day")}


def event(kind: str, data: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The payload of an event in the form Standard Webhooks recommends: type, timestamp, data."""
    happened = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"type": kind, "timestamp": happened, "data": dict(data)}


def text(body: Mapping[str, Any], name: str, otherwise: str) -> str:
    """A text member of a request; Refusal when it is something else."""
    value = body.get(name)
    if value is None:
        return otherwise
    if not isinstance(value, str):
        raise Refusal(f"'{name}' must be text.")
    return value.strip()


def zone_name(name: str) -> str:
    """The name of a time zone that exists; Refusal otherwise."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refusal("'time_zone' is an IANA name such as Europe/Lisbon.") from None
    return name
