"""Files that lines are appended to and synced: what a full disk or a crash cut off spoils no other line."""

from __future__ import annotations

import os
from pathlib import Path


def append(file: Path, lines: bytes) -> None:
    """Append whole lines and sync them. OSError when they may not all be there; then none of them is.

    A half line that a crash has left is ended first, so that it does not swallow the beginning of these.
    """
    # Without a buffer: what one still holds would be written on closing, behind what is tried again.
    with file.open("ab", buffering=0) as out:
        before = os.fstat(out.fileno()).st_size
        rest = memoryview(lines if before == 0 or _ended(file) else b"\n" + lines)
        try:
            while rest:
                rest = rest[out.write(rest) :]
            os.fsync(out.fileno())
        except OSError:
            os.ftruncate(out.fileno(), before)
            raise


def _ended(file: Path) -> bool:
    try:
        with file.open("rb") as given:
            given.seek(-1, os.SEEK_END)
            return given.read(1) == b"\n"
    except PermissionError:
        # A log that may be written and not read: nothing can be said of its end.
        return True
