"""Writes whose outcome a transaction body does not wait for, sent together in one round trip.

On PostgreSQL a round trip costs more than the write itself: six inserts sent one by one take three
times the client's time of one statement that holds all six (docs/explanation/performance.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

# Each different combination is prepared once on each connection; longer ones are seldom met twice.
MOST = 24

_TARGET = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)")


@dataclass(slots=True)
class Later:
    """One write that waits. `value` is what it gave back (RETURNING one column), once it is done.

    `must`: so many rows it has to touch, or somebody else was faster. `taken` makes the refusal for a
    unique value that is in use already.
    """

    sql: str
    values: Sequence[Any]
    must: int = 0
    taken: Callable[[], Exception] | None = None
    value: Any = None

    @property
    def shape(self) -> tuple[str, bool]:
        """What decides the text of the statement it becomes part of."""
        return self.sql, self.must > 0


@lru_cache(maxsize=4096)
def target(sql: str) -> tuple[str, bool]:
    """The table a write changes, and whether it only adds rows to it."""
    found = _TARGET.match(sql)
    if found is None:
        raise ValueError(f"not an INSERT, UPDATE or DELETE of one table: {sql[:60]}")
    return found.group(2), found.group(1) == "INSERT INTO" and "DO UPDATE" not in sql


@lru_cache(maxsize=4096)
def returns(sql: str) -> bool:
    """True when a write gives something back."""
    return " RETURNING " in sql


def together(waiting: Iterable[Later]) -> list[list[Later]]:
    """The writes in order, in runs of which each may be one statement.

    The parts of one statement do not see each other's changes (PostgreSQL 7.8.4), so a table may be
    changed by one part only, unless all of them only add rows.
    """
    runs: list[list[Later]] = []
    adding: dict[str, bool] = {}
    for write in waiting:
        table, adds = target(write.sql)
        if not runs or len(runs[-1]) >= MOST or not adding.get(table, True) or (table in adding and not adds):
            runs.append([])
            adding = {}
        runs[-1].append(write)
        adding[table] = adds
    return runs


@lru_cache(maxsize=2048)
def combined(shapes: tuple[tuple[str, bool], ...]) -> str:
    """One statement that does all of these writes, and fails as a whole when one that must touch rows does not.

    Its values are those of the writes, then how many rows each of those that must has to touch; its one
    row holds, in order, the value of each write that returns one.
    """
    parts: list[str] = []
    answers: list[str] = []
    guards: list[str] = []
    for number, (sql, must) in enumerate(shapes):
        given = returns(sql)
        if must and not given:
            sql += " RETURNING 1 AS touched"
        parts.append(f"q{number} AS ({sql})")
        if given:
            answers.append(f"(SELECT * FROM q{number} LIMIT 1)")
        if must:
            # Outside a transaction block nothing but an error takes the other writes back.
            guards.append(f"1 / (SELECT (COUNT(*) >= ?::bigint)::int FROM q{number})")
    return f"WITH {', '.join(parts)} SELECT {', '.join([*answers, *guards]) or '1'}"


def values_of(run: Sequence[Later]) -> list[Any]:
    """The values of a combined statement."""
    return [value for write in run for value in write.values] + [write.must for write in run if write.must]


def settle(run: Sequence[Later], row: Sequence[Any] | None) -> None:
    """Give each write of a combined statement its value from the statement's one row."""
    for at, write in enumerate(write for write in run if returns(write.sql)):
        write.value = None if row is None else row[at]
