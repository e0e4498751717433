"""Ending with the process that started us: its end of our standard input closes when it dies."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable


def until_parent_exits(stop: Callable[[], None]) -> None:
    """Call `stop` when standard input reaches its end, which happens even after kill -9."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        stop()

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()
