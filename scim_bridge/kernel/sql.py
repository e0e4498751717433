"""SQL text for two back ends: `?` placeholders everywhere, translated once per statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import Dialect
    from sqlalchemy.sql import ClauseElement


class Row(Protocol):
    """One result row: values by column name or position."""

    def __getitem__(self, key: Any) -> Any:
        """The value of a column."""

    def __iter__(self) -> Iterator[Any]:
        """The values in the order of the columns."""


@lru_cache(maxsize=4096)
def numbered(sql: str) -> str:
    """Turn `?` placeholders into PostgreSQL's `$1, $2, ...`.

    Our statements carry every value as a parameter, so a question mark never stands in a literal.
    """
    parts = sql.split("?")
    return parts[0] + "".join(f"${n}{part}" for n, part in enumerate(parts[1:], start=1))


@lru_cache(maxsize=4096)
def writes(sql: str) -> bool:
    """True when a statement may change rows."""
    words = sql.upper().split()
    if not words or words[0] == "SELECT":
        return False
    return words[0] != "WITH" or any(word in ("INSERT", "UPDATE", "DELETE") for word in words)


@lru_cache(maxsize=4096)
def looks(sql: str) -> bool:
    """True for a statement that neither changes nor locks anything, so needs no transaction around it."""
    return not writes(sql) and not any(lock in sql for lock in _LOCKS)


_LOCKS = (" FOR UPDATE", " FOR NO KEY UPDATE", " FOR KEY SHARE", "pg_advisory")


@lru_cache(maxsize=2)
def _dialect(backend: str) -> Dialect:
    from sqlalchemy.dialects import postgresql, sqlite

    if backend == "sqlite":
        return sqlite.dialect(paramstyle="qmark")
    return postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


def compiled(statement: ClauseElement, backend: str) -> tuple[str, Sequence[Any]]:
    """Compile a SQLModel or SQLAlchemy statement to SQL text and positional values.

    For the paths that are not hot (console, CLI, jobs): about 100 microseconds a statement.
    """
    result: Any = statement.compile(dialect=_dialect(backend), compile_kwargs={"render_postcompile": True})
    values = result.construct_params()
    return str(result), [values[name] for name in result.positiontup or ()]


def gathered(backend: str, columns: str, of: str) -> str:
    """A subquery that gives the rows of `of` (FROM …) as one JSON text: a list of lists, or NULL for none."""
    if backend == "sqlite":
        return f"(SELECT json_group_array(json_array({columns})) FROM {of})"
    return f"(SELECT json_agg(json_build_array({columns})) FROM {of})"


def marks(count: int) -> str:
    """Placeholders for a list of `count` values: `?, ?, ?`."""
    return ", ".join("?" * count)


def like(text: str, *, start: bool = False) -> str:
    """A LIKE pattern (escape character backslash) that finds the text anywhere, or at the start."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{escaped}%" if start else f"%{escaped}%"
