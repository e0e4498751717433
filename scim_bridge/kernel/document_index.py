"""Indexes over documents: values that are looked up, as text that is equal exactly when the values are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scim_bridge.kernel.clock import parse_iso

FOLDED = "folded"
EXACT = "exact"
NUMBER = "number"
TRUTH = "truth"
INSTANT = "instant"

# PostgreSQL takes no more than 2,700 bytes in an index entry; longer values are looked up by their digest.
LONGEST = 1024
DIGEST = "sha256:"


@dataclass(frozen=True, slots=True)
class DocumentIndex:
    """One attribute of one part of a document (an extension's URN), looked up by its value, or any of its values.

    `form` says which values are equal. `kinds` are the resources that may have it. The name says all of
    it, so that an attribute declared otherwise is another index.
    """

    part: str
    attribute: str
    form: str
    kinds: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name under which its entries are kept."""
        return f"{self.part.rpartition(':')[2]}:{self.attribute}:{self.form}"

    def key(self, value: Any) -> str | None:
        """What a value is looked up by; None for one this attribute cannot have, or that is no value."""
        if self.form in (FOLDED, EXACT):
            if not isinstance(value, str) or not value:
                return None
            return _short(value if self.form == EXACT else value.casefold())
        if self.form == TRUTH:
            return str(value).lower() if isinstance(value, bool) else None
        if self.form == NUMBER:
            return None if isinstance(value, bool) or not isinstance(value, int | float) else _number(value)
        try:
            return str(parse_iso(value)) if isinstance(value, str) else None
        except (ValueError, OverflowError):
            return None

    def entries(self, doc: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """(name, key) of each value a document has."""
        part = doc.get(self.part)
        value = part.get(self.attribute) if isinstance(part, dict) else None
        for item in value if isinstance(value, list) else (value,):
            key = self.key(item)
            if key is not None:
                yield self.name, key


def _number(value: int | float) -> str:
    """1 and 1.0 are one number; whole ones are written in full, as precise as they are."""
    if isinstance(value, int):
        return str(value)
    return str(int(value)) if value.is_integer() else repr(value)


def _short(text: str) -> str:
    if text.startswith(DIGEST) or len(text.encode()) > LONGEST:
        return DIGEST + hashlib.sha256(text.encode()).hexdigest()
    return text


@dataclass(slots=True)
class Indexes:
    """The declared indexes of one process, and the names of those that know every document by now."""

    declared: Sequence[DocumentIndex] = ()
    ready: frozenset[str] = field(default_factory=frozenset)

    def of(self, part: str | None, attribute: str) -> DocumentIndex | None:
        """The index that can be asked for an attribute; None when there is none, or not yet."""
        for index in self.declared:
            if index.part == part and index.attribute == attribute:
                return index if index.name in self.ready else None
        return None
