"""How a forked process ends: as one that was started for what it does would."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress


def exit_code_of(act: Callable[[], int]) -> int:
    """The exit code of a process that does this and nothing else; what that process would print is printed.

    As the interpreter does it: SystemExit with a text prints it and ends with 1, anything else raised prints its
    traceback and ends with 1. Both streams are flushed.
    """
    code = 1
    try:
        code = act()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # whatever it is, it is told as that process would tell it
        sys.excepthook(*sys.exc_info())
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    return code
