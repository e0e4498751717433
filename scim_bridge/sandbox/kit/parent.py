"""Ending with whoever started the sandbox, even when that process was killed."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable


def when_parent_ends(stop: Callable[[], None]) -> None:
    """Call `stop` once standard input is at its end.

    The parent holds the other end of the pipe, and the system closes it for a process killed with -9.
    """

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        stop()

    threading.Thread(target=watch, name="sandbox-parent", daemon=True).start()
