"""Migrations: brings a database to the schema this version needs, at start, on both back ends.

In: a database URL. Out: the tables of every room (prefix `sb_`), recorded by Alembic.
Tables of the job engine are its own business and are left alone.
"""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scim_bridge.kernel.errors import StoreUnavailable

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import Connection

HERE = Path(__file__).parent
LOCK = 7_264_000


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


@lru_cache(maxsize=1)
def head() -> str:
    """The newest revision this version knows: files are named after their revision."""
    return max(file.name.split("_", 1)[0] for file in (HERE / "versions").glob("[0-9]*.py"))


def _current(url: str) -> bool:
    """True when a SQLite file is at head already: commands then need not load Alembic (half a second)."""
    path = Path(url.removeprefix("sqlite:///"))
    if not url.startswith("sqlite:///") or not path.exists():
        return False
    try:
        with closing(sqlite3.connect(path, timeout=5)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        return False
    return row is not None and row[0] == head()


def _upgrade(url: str) -> None:
    if _current(url):
        return
    from alembic import command
    from sqlalchemy import text

    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{path}.migrate.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with opened(url) as connection:
                connection.execute(text("PRAGMA journal_mode=WAL"))
                command.upgrade(config(connection), "head")
                connection.commit()
        return
    with opened(url) as connection:
        # Replicas that start together queue here; the second finds nothing to do.
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
        command.upgrade(config(connection), "head")
        connection.commit()


async def upgrade(url: str) -> None:
    """Bring the database to the newest schema; safe to call from every process at start."""
    await asyncio.to_thread(_upgrade, url)
