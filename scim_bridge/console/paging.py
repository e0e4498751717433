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
