"""Files named on the command line: read and written, or one line that says why not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from scim_bridge.kernel.errors import BadFile, NotFound, Refused


def read(file: Path) -> bytes:
    """All of a file; NotFound when it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise NotFound("file", f"{file} cannot be read ({error.strerror}).", "Check the path.") from error


def write(file: Path, content: bytes) -> None:
    """Write a file whole; Refused when it cannot be written."""
    try:
        file.write_bytes(content)
    except OSError as error:
        raise Refused("file", f"{file} cannot be written ({error.strerror}).", "Check the path.") from error


def lines(file: Path, longest: int) -> Iterator[bytes]:
    """A file line by line; NotFound when it cannot be read, BadFile for a line longer than `longest` bytes."""
    try:
        with file.open("rb") as opened:
            while line := opened.readline(longest + 1):
                if len(line) > longest:
                    raise BadFile(
                        "file", f"{file} has a line of more than {longest} bytes.", "Is it the right one?"
                    )
                yield line
    except OSError as error:
        raise NotFound("file", f"{file} cannot be read ({error.strerror}).", "Check the path.") from error


@contextmanager
def writing(file: Path) -> Iterator[BinaryIO]:
    """A file that is written piece by piece; Refused when it cannot be."""
    try:
        with file.open("wb") as opened:
            yield opened
    except OSError as error:
        raise Refused("file", f"{file} cannot be written ({error.strerror}).", "Check the path.") from error
