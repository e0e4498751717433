"""An answer of the server under test, and reading in it without believing anything about its shape."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

CUT: Final = 1500
_PART: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


class _Absent:
    """What is found where nothing is."""

    def __repr__(self) -> str:
        return "absent"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, headers by name in any case, the body as text and as JSON (ABSENT when it is none)."""

    status: int
    headers: Mapping[str, str]
    text: str
    body: Any
    milliseconds: int

    def get(self, path: str | tuple[str | int, ...]) -> Any:
        """What is at a place in the body, ABSENT when nothing is."""
        return at(self.body, path)

    @property
    def summary(self) -> str:
        """Status and body, cut when long."""
        return f"{self.status} {printable(cut(self.text))}".strip()


def parsed(text: str) -> Any:
    """The JSON of a body; ABSENT when it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return ABSENT


def at(value: Any, path: str | tuple[str | int, ...]) -> Any:
    """What is at `Resources[0].name.familyName`, or at ("urn:…:User", "department"); ABSENT when nothing is."""
    parts = _parts(path) if isinstance(path, str) else path
    for part in parts:
        if isinstance(part, int):
            if not isinstance(value, list) or part >= len(value):
                return ABSENT
            value = value[part]
        elif isinstance(value, dict) and part in value:
            value = value[part]
        else:
            return ABSENT
    return value


def _parts(path: str) -> tuple[str | int, ...]:
    return tuple(int(m.group(1)) if m.group(1) else m.group(2) for m in _PART.finditer(path))


def shown(value: Any) -> str:
    """A value for a sentence: as JSON, cut when long."""
    return "absent" if value is ABSENT else printable(cut(json.dumps(value, ensure_ascii=False), 200))


def printable(text: str) -> str:
    """A text with nothing in it that a terminal would obey or could not write."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else f"\\u{ord(char):04x}" for char in text)


def cut(text: str, limit: int = CUT) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text)} characters)"


def one(endpoint: str, identity: Any) -> str:
    """The address of one resource: whatever characters its id has, it stays one segment of the path."""
    return f"{endpoint}/{quote(str(identity), safe='')}"
