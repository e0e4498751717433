"""What every adapter's pace shares: how much is left for other clients, and which calls pass first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from typing import Any

# What is left of an IdP's rate limit for its other clients when the connection does not say.
RESERVE_PERCENT = 10
# Nobody is believed who asks for more seconds than these.
LONGEST = 3600

_urgent: ContextVar[bool] = ContextVar("urgent", default=False)


@contextmanager
def urgently(urgent: bool) -> Iterator[None]:
    """Every call made in this block is part of a stop, or not: a stop may use the reserve."""
    token = _urgent.set(urgent)
    try:
        yield
    finally:
        _urgent.reset(token)


def is_urgent() -> bool:
    """True while a stop is being written."""
    return _urgent.get()


def reserve_of(settings: Mapping[str, Any]) -> int:
    """The percentage a connection leaves for others (rate_reserve, checked when it is set)."""
    return int(settings.get("rate_reserve", RESERVE_PERCENT))


def seconds_of(headers: Mapping[str, str]) -> int | None:
    """Retry-After in seconds, at most an hour; None when it says nothing.

    A number, or a date by the server's own clock (RFC 9110 section 10.2.3).
    """
    text = (headers.get("retry-after") or "").strip()
    if text.isascii() and text.isdigit():
        return max(1, min(LONGEST, int(text[:9])))
    try:
        ahead = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date") or "")
    except (ValueError, TypeError):
        return None
    return max(1, min(LONGEST, int(ahead.total_seconds())))
