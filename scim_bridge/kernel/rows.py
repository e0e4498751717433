"""Many rows at once: one statement for all of them on PostgreSQL, one prepared statement on SQLite.

A list of values goes as one parameter, so the statement's text, and what the database has prepared
for it, is the same for one row and for a thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson


@dataclass(frozen=True)
class Insert:
    """Rows of one table. `columns` are names with their PostgreSQL types: text, bigint or bytea.

    `otherwise` says what to do with a row that is there: an ON CONFLICT clause, or empty for an error.
    """

    table: str
    columns: str
    otherwise: str = ""

    @cached_property
    def _columns(self) -> list[list[str]]:
        return [column.split() for column in self.columns.split(",")]

    @cached_property
    def _head(self) -> str:
        return f"INSERT INTO {self.table} ({', '.join(name for name, _ in self._columns)})"

    @cached_property
    def single(self) -> str:
        """The statement for one row."""
        return f"{self._head} VALUES ({', '.join('?' * len(self._columns))}) {self.otherwise}".rstrip()

    @cached_property
    def arrays(self) -> str:
        """The statement for all rows, given as one array for each column (PostgreSQL)."""
        given = ", ".join(f"?::{kind}[]" for _, kind in self._columns)
        return f"{self._head} SELECT * FROM unnest({given}) {self.otherwise}".rstrip()


def by_column(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Rows as one list for each column."""
    return [list(column) for column in zip(*rows, strict=True)]


def among(backend: str) -> str:
    """The condition that a text is one of a list: `id {among(…)}`, with `listed(…)` as its one value."""
    return "IN (SELECT value FROM json_each(?))" if backend == "sqlite" else "= ANY(?::text[])"


def listed(backend: str, texts: Iterable[str]) -> Any:
    """A list of texts as the value `among` compares with."""
    return orjson.dumps(list(texts)).decode() if backend == "sqlite" else list(texts)
