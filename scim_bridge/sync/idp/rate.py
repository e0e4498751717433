"""What every adapter's pace shares: how much is left for other clients, and which calls pass first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

# What is left of an IdP's rate limit for its other clients when the connection does not say.
RESERVE_PERCENT = 10

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
