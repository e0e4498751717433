"""How much work a piece of code does, counted and not timed: the same on a busy machine as on an idle one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def calls(body: Callable[[], Any]) -> int:
    """How many functions the body calls, Python's own included (about five million fit into a second)."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        body()
    finally:
        sys.setprofile(before)
    return count
