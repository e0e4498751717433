"""Files named on the command line: read and written, or one line that says why not."""

from __future__ import annotations

from pathlib import Path

from scim_bridge.kernel.errors import NotFound, Refused


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
