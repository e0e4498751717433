"""Who performs effects on this database now: a server's worker, or nobody and then this process may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from scim_bridge.kernel.database import Database
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.single_process import SingleProcess


@asynccontextmanager
async def sole_worker(database: Database) -> AsyncIterator[bool]:
    """True while no server works on this database: then the caller may perform effects in the block.

    On SQLite no server can start meanwhile (it would find the file's lock taken). On PostgreSQL one
    may: an effect that both attempt is settled once, and every handler bears being called twice.
    """
    if database.backend != "sqlite":
        # With PostgreSQL's driver: on SQLite it is not needed.
        from scim_bridge.kernel.slots import FAMILY

        row = await database.reads.one(
            "SELECT COUNT(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND classid = ? AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            FAMILY,
        )
        yield row is not None and row["n"] == 0
        return
    lock = SingleProcess(Path(database.url.removeprefix("sqlite:///") + ".lock"))
    try:
        lock.acquire()
    except ConfigurationError:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
