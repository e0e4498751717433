"""A shell at a terminal, as a person sits at it: keys in, what stands there out."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# Reading nothing of a shell that hangs ends so late (seconds): a completion starts the program, under any load.
PATIENCE = 60.0
# A shell that is used by a person has its terminal for itself, and hands it to the commands it runs.
OWN = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"


class Terminal:
    """What a shell reads from and writes to."""

    def __init__(self, end: int) -> None:
        self._end = end
        self._seen = ""

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._end, keys.encode())

    def wait(self, for_what: str) -> str:
        """Everything up to this text, once it stands there."""
        until = time.monotonic() + PATIENCE
        while for_what not in self._seen:
            ready, _, _ = select.select([self._end], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise AssertionError(f"{for_what!r} never came: {self._seen!r}")
            try:
                self._seen += os.read(self._end, 65_536).decode(errors="replace")
            except OSError as error:
                raise AssertionError(f"the shell ended before {for_what!r}: {self._seen!r}") from error
        before, _, self._seen = self._seen.partition(for_what)
        return before


@contextmanager
def at_terminal(words: list[str], environment: Mapping[str, str]) -> Iterator[Terminal]:
    """A shell at a terminal of its own; it is ended afterwards."""
    ours, theirs = pty.openpty()
    shell = subprocess.Popen(
        [sys.executable, "-c", OWN, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=dict(environment),
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(ours)
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)
