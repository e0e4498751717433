"""Where a page of a list ends, and whether another follows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def page_of(found: Sequence[T], shown: int, onward: Callable[[T], str]) -> tuple[list[T], str]:
    """At most `shown` of what was found, and the address behind the last of them ("": nothing follows).

    Whoever looks asks for one more than is shown: a last page that is exactly full is then known to be the last,
    and nobody is led to an empty one. `onward` makes the address from the last row shown.
    """
    kept = list(found[:shown])
    return kept, onward(kept[-1]) if len(found) > shown else ""


def first_of(
    found: Sequence[T], shown: int, which: str, url: str = ""
) -> tuple[list[T], tuple[str, str] | None]:
    """At most `shown` of what was found by asking for one more, and what to say of the rest (None: there is none).

    For a list that is a part of a page: `which` are shown, and `url` is the page that has all of them.
    """
    more = len(found) > shown
    return list(found[:shown]), (f"The {shown} {which} are shown.", url) if more else None


def mark(at: int, row_id: str) -> str:
    """The place of a row in a list by time, as it stands in an address."""
    return f"{at}.{row_id}"


def marked(text: str) -> tuple[int, str] | None:
    """The place an address names; None for a text that is none."""
    at, _, row_id = text.partition(".")
    return (int(at), row_id) if at.isascii() and at.isdigit() and len(at) < 19 else None
