"""A file of lines: read from its beginning, and again at any line that was seen."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scim_bridge.inventory.problems import Problem
from scim_bridge.kernel.errors import Conflict, NotFound

# A group of MAX_LIST members with the longest slugs takes a tenth of this.
MAX_LINE_BYTES = 8 * 1024 * 1024
BUFFER = 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """A line that says something: its number from 1, where it begins, its bytes, or why they are not read."""

    number: int
    at: int
    data: bytes
    problem: Problem | None = None


class LineFile:
    """An open file. It stays the same file while it is read, whatever takes its name."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb", buffering=BUFFER)
        except OSError as error:
            message = f"{path} cannot be read ({error.strerror})."
            raise NotFound("manifest-file", message, "Check the path.") from error
        self.name = path.name
        found = os.fstat(self._file.fileno())
        if not stat.S_ISREG(found.st_mode):
            self._file.close()
            message = f"{path} is not a file that can be read twice."
            raise NotFound("manifest-file", message, "Write the lines to a file and import that.")
        self.size, self._changed = found.st_size, found.st_mtime_ns
        self._hash = hashlib.sha256()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @property
    def digest(self) -> str:
        """SHA-256 of what `lines` has read."""
        return self._hash.hexdigest()

    def lines(self) -> Iterator[Line]:
        """Every line that is not blank, from the beginning."""
        number, at = 0, 0
        while raw := self._file.readline(MAX_LINE_BYTES):
            self._hash.update(raw)
            number += 1
            begins, at = at, at + len(raw)
            if len(raw) == MAX_LINE_BYTES and not raw.endswith(b"\n"):
                at += self._rest_of_line()
                message = f"The line is longer than {MAX_LINE_BYTES // 1024 // 1024} MB."
                yield Line(number, begins, b"", Problem(number, None, "", message, "Write members as lines."))
                continue
            if number == 1 and raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                yield Line(1, 0, b"", Problem(1, 1, "", "The file is UTF-16.", "Save it as UTF-8."))
                return
            data = _bare(raw, begins)
            if data:
                yield Line(number, begins, data)

    def _rest_of_line(self) -> int:
        length = 0
        while raw := self._file.readline(BUFFER):
            self._hash.update(raw)
            length += len(raw)
            if raw.endswith(b"\n"):
                break
        return length

    def at(self, offset: int) -> bytes:
        """The line that begins there."""
        self._file.seek(offset)
        return _bare(self._file.readline(MAX_LINE_BYTES), offset)

    def must_be_the_same(self) -> None:
        """Conflict when somebody wrote into the file since it was opened."""
        found = os.fstat(self._file.fileno())
        if (found.st_size, found.st_mtime_ns) != (self.size, self._changed):
            message = f"{self.name} was changed while it was imported."
            raise Conflict("manifest-changed", message, "Import it again; what is in stays.")


def _bare(raw: bytes, offset: int) -> bytes:
    return raw.removeprefix(_BOM).strip() if offset == 0 else raw.strip()
