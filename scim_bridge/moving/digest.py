"""A digest of a table that does not depend on the order in which its rows are read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

MODULUS = 2**256


class Digest:
    """Adds up the rows of a table: the sum modulo 2^256 of the SHA-256 of each row.

    A row is the JSON array of its columns in order of their names, bytes in hexadecimal. It finds what was lost,
    doubled or changed on the way; against somebody who makes rows on purpose, the audit chain is signed.
    """

    __slots__ = ("_sum", "rows")

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Count more rows."""
        total, count = self._sum, 0
        for row in rows:
            count += 1
            line = orjson.dumps(row, default=bytes.hex)
            total += int.from_bytes(hashlib.sha256(line).digest(), "big")
        self._sum = total % MODULUS
        self.rows += count

    @property
    def hex(self) -> str:
        """The digest so far, 64 hexadecimal digits."""
        return f"{self._sum:064x}"
