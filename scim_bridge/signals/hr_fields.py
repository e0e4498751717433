"""Reading single values out of an HR system's event: texts, instants, last days. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from scim_bridge.kernel.clock import parse_iso
from scim_bridge.kernel.errors import Invalid

LONGEST = 320
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_LOCAL = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::\d\d(?:\.\d{1,6})?)?")
_YEARS = range(1970, 2200)

Paths = tuple[str, ...]
Day = date | datetime | int
"""A whole day, a time of a day where the person works (a datetime without zone), or an instant in microseconds."""


def at(payload: Any, path: str) -> Any:
    """What is found by member names joined by dots (a number picks from a list); None when nothing is."""
    here = payload
    for part in path.split("."):
        if isinstance(here, Mapping):
            here = here.get(part)
        elif isinstance(here, list) and part.isdigit() and int(part) < len(here):
            here = here[int(part)]
        else:
            return None
    return here


def text(payload: Mapping[str, Any], paths: Iterable[str]) -> str | None:
    """The first text there is; Invalid when what is found is none that could be meant."""
    for path in paths:
        value = at(payload, path)
        if value is None or value == "":
            continue
        if not isinstance(value, str) or len(value) > LONGEST or not value.isprintable():
            raise Invalid(
                "hr-field", f"{path} is not a short, printable text.", f"At most {LONGEST} characters."
            )
        return value.strip() or None
    return None


def number(payload: Mapping[str, Any], paths: Iterable[str]) -> str | None:
    """An employee number: a text, or a whole number, which some HR systems send."""
    for path in paths:
        value = at(payload, path)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18:
            return str(value)
        found = text(payload, (path,))
        if found is not None:
            return found
    return None


def instant(payload: Mapping[str, Any], paths: Paths, now: int) -> int:
    """When it happened, in microseconds; `now` when the event does not say."""
    value = text(payload, paths)
    if value is None:
        return now
    try:
        return parse_iso(value)
    except ValueError as error:
        raise Invalid(
            "hr-time", f"{paths[0]} is not a date and time with a zone.", "Write 2026-11-24T10:00:00Z."
        ) from error


def day(payload: Mapping[str, Any], paths: Paths, code: str = "hr-last-day") -> Day | None:
    """A day, a time where the person works, or an instant; None when the event does not say."""
    value = text(payload, paths)
    if value is None:
        return None
    try:
        return read_day(value)
    except ValueError as error:
        raise Invalid(code, f"{paths[0]} is not a date.", "Write it as 2026-11-24.") from error


def read_day(value: str) -> Day:
    """2026-11-24, 2026-11-24 18:00 (where the person works), or 2026-11-24T18:00:00Z; ValueError otherwise."""
    if date.fromisoformat(value[:10]).year not in _YEARS:
        raise ValueError(value)
    if _DATE.fullmatch(value):
        return date.fromisoformat(value)
    local = _LOCAL.fullmatch(value)
    return parse_iso(value) if local is None else datetime.fromisoformat(f"{local[1]}T{local[2]}")
