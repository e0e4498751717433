"""The two ends of a move: what tables a database has, its rows out, rows in. One connection, one transaction each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from scim_bridge.kernel.database_sqlite import path_of
from scim_bridge.kernel.errors import BridgeError, StoreUnavailable

Rows = Sequence[Sequence[Any]]
CHUNK = 2000
# Advisory locks of these families are held by servers, those that work and those that answer (`kernel/slots.py`).
SERVERS = (7264, 7265)


class Side(Protocol):
    """A database that is read from or written to."""

    backend: str

    def tables(self) -> dict[str, tuple[str, ...]]:
        """The columns of each of our tables, in order of their names."""

    def one(self, sql: str, *values: Any) -> Any:
        """The first row as a tuple, or None; placeholders are `?`."""

    def run(self, sql: str, *values: Any) -> int:
        """Run a statement; the number of rows it touched."""

    def rows(self, sql: str) -> Iterator[Rows]:
        """Every row of a query, so many at a time, in flat memory."""

    def load(self, table: str, columns: Sequence[str], chunks: Iterable[Rows]) -> None:
        """Add rows to a table."""

    def without_indexes(self) -> list[str]:
        """Drop what only speeds up reading; the statements that make it again."""

    def commit(self) -> None:
        """Keep what was loaded."""

    def close(self) -> None:
        """Let go of the connection; what was not committed is gone."""


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn what the drivers say (a full disk, a lost connection) into StoreUnavailable."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreUnavailable(f"SQLite stopped ({error}).") from error
    except BridgeError:
        raise
    except Exception as error:
        if type(error).__module__.split(".")[0] != "psycopg":
            raise
        raise StoreUnavailable(f"PostgreSQL stopped ({str(error).splitlines()[0]}).") from error


def quoted(names: Iterable[str]) -> str:
    """Column names as SQL."""
    return ", ".join(f'"{name}"' for name in names)


class SqliteSide:
    """A SQLite file: read in one snapshot, or filled in one go while nobody else knows it."""

    backend = "sqlite"

    def __init__(self, url: str, *, fill: bool = False) -> None:
        path = path_of(url)
        mode = "rw" if fill else "ro"
        try:
            self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=5)
            self._connection.isolation_level = None
            if fill:
                # A file that is thrown away when this fails need not survive a power cut before it is finished.
                for pragma in (
                    "journal_mode=DELETE",
                    "journal_mode=OFF",
                    "synchronous=OFF",
                    "cache_size=-200000",
                ):
                    self._connection.execute(f"PRAGMA {pragma}")
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"The database file {path} cannot be opened ({error}).") from error

    def tables(self) -> dict[str, tuple[str, ...]]:
        """The columns of each of our tables."""
        named = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        ours = sorted(name for (name,) in named if name.startswith("sb_"))
        return {name: self._columns(name) for name in ours}

    def _columns(self, table: str) -> tuple[str, ...]:
        return tuple(sorted(row[1] for row in self._connection.execute(f'PRAGMA table_info("{table}")')))

    def one(self, sql: str, *values: Any) -> Any:
        """The first row, or None."""
        return self._connection.execute(sql, values).fetchone()

    def run(self, sql: str, *values: Any) -> int:
        """Run a statement."""
        return self._connection.execute(sql, values).rowcount

    def rows(self, sql: str) -> Iterator[Rows]:
        """Every row of a query."""
        cursor = self._connection.execute(sql)
        while chunk := cursor.fetchmany(CHUNK):
            yield chunk

    def load(self, table: str, columns: Sequence[str], chunks: Iterable[Rows]) -> None:
        """Add rows to a table."""
        places = ", ".join("?" * len(columns))
        insert = f'INSERT INTO "{table}" ({quoted(columns)}) VALUES ({places})'
        for chunk in chunks:
            self._connection.executemany(insert, chunk)

    def without_indexes(self) -> list[str]:
        """Drop indexes."""
        found = self._connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
        ).fetchall()
        for name, _ in found:
            self._connection.execute(f'DROP INDEX "{name}"')
        return [sql for _, sql in found]

    def commit(self) -> None:
        """Keep it; the file is as every other from now on."""
        self._connection.execute("COMMIT")
        self._connection.execute("PRAGMA journal_mode=WAL")

    def close(self) -> None:
        """Let go."""
        self._connection.close()


class PostgresSide:
    """A PostgreSQL database: read in one REPEATABLE READ snapshot, or filled in one transaction."""

    backend = "postgresql"

    def __init__(self, url: str, *, fill: bool = False) -> None:
        import psycopg

        plain = "postgresql://" + url.split("://", 1)[1]
        try:
            self._connection = psycopg.connect(plain, autocommit=True, connect_timeout=10)
        except psycopg.OperationalError as error:
            raise StoreUnavailable("The PostgreSQL server cannot be reached.") from error
        self._types: dict[str, dict[str, str]] = {}
        self.run("BEGIN" if fill else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if fill:
            self.run("SET LOCAL synchronous_commit = on")
            self.run("SET LOCAL maintenance_work_mem = '256MB'")
            for table in self.tables():
                # A server that starts now waits until the move is over, or gives up.
                self.run(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE')

    def tables(self) -> dict[str, tuple[str, ...]]:
        """The columns of each of our tables."""
        found = self._connection.execute(
            "SELECT table_name, column_name, udt_name FROM information_schema.columns"
            " WHERE table_schema = current_schema() ORDER BY table_name"
        ).fetchall()
        types: dict[str, dict[str, str]] = {}
        for table, column, kind in found:
            if table.startswith("sb_"):
                types.setdefault(table, {})[column] = kind
        self._types = types
        return {table: tuple(sorted(columns)) for table, columns in types.items()}

    def one(self, sql: str, *values: Any) -> Any:
        """The first row, or None."""
        return self._connection.execute(self._numbered(sql), values).fetchone()

    def run(self, sql: str, *values: Any) -> int:
        """Run a statement."""
        return self._connection.execute(self._numbered(sql), values or None).rowcount

    def _numbered(self, sql: str) -> Any:
        return sql.replace("?", "%s")

    def rows(self, sql: str) -> Iterator[Rows]:
        """Every row of a query."""
        with self._connection.cursor(name="moving", binary=True) as cursor:
            cursor.execute(self._numbered(sql))
            while chunk := cursor.fetchmany(CHUNK):
                yield chunk

    def load(self, table: str, columns: Sequence[str], chunks: Iterable[Rows]) -> None:
        """Add rows to a table."""
        types: Mapping[str, str] = self._types[table]
        command: Any = f'COPY "{table}" ({quoted(columns)}) FROM STDIN (FORMAT BINARY)'
        from psycopg import DataError

        try:
            with self._connection.cursor() as cursor, cursor.copy(command) as copy:
                copy.set_types([types[column] for column in columns])
                for chunk in chunks:
                    for row in chunk:
                        copy.write_row(row)
        except DataError as error:
            # SQLite keeps a NUL within a text; PostgreSQL does not.
            raise ValueError(str(error)) from error

    def without_indexes(self) -> list[str]:
        """Drop indexes that are no constraint."""
        found = self._connection.execute(
            "SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i"
            " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid"
            " WHERE c.relnamespace = current_schema()::regnamespace AND t.relname LIKE 'sb\\_%'"
            " AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid) ORDER BY 1"
        ).fetchall()
        for name, _ in found:
            self.run(f'DROP INDEX "{name}"')
        return [definition for _, definition in found]

    def commit(self) -> None:
        """Keep it, and let the planner know it."""
        self.run("COMMIT")
        self.run("ANALYZE")

    def close(self) -> None:
        """Let go."""
        self._connection.close()


def opened(url: str, *, fill: bool = False) -> Side:
    """One end of a move."""
    return SqliteSide(url, fill=fill) if url.startswith("sqlite:///") else PostgresSide(url, fill=fill)


def file_of(url: str) -> Path | None:
    """The file of a SQLite address; None for PostgreSQL."""
    return path_of(url) if url.startswith("sqlite:///") else None
