"""Migrations: brings a database to the schema this version needs, at start, on both back ends.

In: a database URL. Out: the tables of every room (prefix `sb_`), recorded by Alembic.
Tables of the job engine are its own business and are left alone.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scim_bridge.kernel.errors import ConfigurationError, StoreUnavailable
from scim_bridge.migrations.presence import (
    HERE,
    VERSION_TABLE,
    head,
    no_database,
    revision_in,
    revision_of_file,
    workable,
)

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import Connection

LOCK = 7_264_000

__all__ = ["absent", "config", "head", "include", "opened", "revision", "sync_url", "upgrade", "workable"]


def sync_url(url: str) -> str:
    """The URL for SQLAlchemy's synchronous drivers."""
    return url if url.startswith("sqlite") else "postgresql+psycopg://" + url.split("://", 1)[1]


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, in code: an installed package has no alembic.ini."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(HERE))
    made.attributes["connection"] = connection
    return made


def include(name: str | None, kind: str, _parents: Any) -> bool:
    """True for our tables; the job engine's tables are not ours to compare or drop."""
    return kind != "table" or bool(name and name.startswith("sb_"))


@contextmanager
def opened(url: str) -> Iterator[Connection]:
    """A connection that no other migration shares; StoreUnavailable when the server is away."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import OperationalError
    from sqlalchemy.pool import NullPool

    engine = create_engine(sync_url(url), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    except OperationalError as error:
        raise StoreUnavailable("The database cannot be reached to check its schema.") from error
    finally:
        engine.dispose()


def _current(connection: Connection) -> str | None:
    """The revision of an open PostgreSQL database; None when it has none of ours."""
    from sqlalchemy import text

    found = connection.execute(
        text("SELECT tablename FROM pg_tables WHERE schemaname = ANY (current_schemas(false))")
    )
    tables = {name for (name,) in found}
    versions: list[str] = []
    if VERSION_TABLE in tables:
        versions = [str(v) for (v,) in connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))]
    return revision_in("this PostgreSQL database", tables, versions)


def _upgrade(url: str, create: bool) -> None:
    if url.startswith("sqlite:///"):
        _upgrade_file(url, Path(url.removeprefix("sqlite:///")), create)
        return
    from alembic import command
    from sqlalchemy import text

    with opened(url) as connection:
        revision = _current(connection)
        if workable(revision):
            return
        if revision is None and not create:
            raise no_database("this PostgreSQL database")
        # Replicas that start together queue here; the second finds nothing to do.
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
        command.upgrade(config(connection), "head")
        connection.commit()


def absent(url: str) -> bool:
    """True when a SQLite URL names a file that is not there, or empty."""
    return url.startswith("sqlite:///") and revision_of_file(Path(url.removeprefix("sqlite:///"))) is None


def revision(url: str) -> str | None:
    """The schema a database has: None when there is none of ours, "" when it is being made. Changes nothing.

    StoreUnavailable when it is away, ConfigurationError when it is another program's or of another era (`workable`).
    """
    if url.startswith("sqlite:///"):
        return revision_of_file(Path(url.removeprefix("sqlite:///")))
    with opened(url) as connection:
        return _current(connection)


def _upgrade_file(url: str, path: Path, create: bool) -> None:
    revision = revision_of_file(path)
    if workable(revision):
        # Commands need not load Alembic, which takes half a second.
        return
    if revision is None and not create:
        raise no_database(str(path))
    from alembic import command
    from sqlalchemy import text

    with _locked(path), opened(url) as connection:
        connection.execute(text("PRAGMA journal_mode=WAL"))
        command.upgrade(config(connection), "head")
        connection.commit()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One migration at a time of one file, which is there then, for its owner's eyes only."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite gives its own files beside it (-wal, -shm) the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        lock = os.open(f"{path}.migrate.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(
            "database_url",
            f"{path} cannot be made ({error.strerror})",
            "Name a place this user may write to.",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


async def upgrade(url: str, *, create: bool = True) -> None:
    """Bring the database to the newest schema; safe to call from every process at start.

    Without `create`, NotFound when there is none yet. ConfigurationError when it is not ours to touch.
    """
    await asyncio.to_thread(_upgrade, url, create)
