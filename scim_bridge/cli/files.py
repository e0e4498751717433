"""Files named on the command line: read and written, or one line that says why not."""

from __future__ import annotations

import os
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
    """A file that is written piece by piece, and there only once it is whole; Refused when it cannot be written.

    What was there before stays until then. What is no plain file (a pipe) is written as it comes.
    """
    plain = not file.exists() or (file.is_file() and not file.is_symlink())
    part = file.with_name(f"{file.name}.{os.getpid()}.part") if plain else file
    try:
        with part.open("wb") as opened:
            yield opened
        if plain:
            part.replace(file)
    except OSError as error:
        raise Refused("file", f"{file} cannot be written ({error.strerror}).", "Check the path.") from error
    finally:
        if plain:
            part.unlink(missing_ok=True)
