"""Whether a server works on a database, and keeping it out of a file while that is copied."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from scim_bridge.kernel.errors import Refused
from scim_bridge.moving.sides import SERVERS, PostgresSide, file_of


@contextmanager
def no_server(url: str, *, allowed: bool = False) -> Iterator[None]:
    """Run the block while no server works on a database; Refused when one does, unless that is `allowed`.

    A SQLite file is held so that none starts meanwhile. Of PostgreSQL it is known at the beginning only: what
    servers write later is not in the snapshot.
    """
    file = file_of(url)
    if allowed:
        yield
    elif file is None:
        with closing(PostgresSide(url)) as side:
            held = side.one(
                "SELECT COUNT(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
                " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid IN (?, ?)"
                " AND d.datname = current_database()",
                *SERVERS,
            )[0]
        if held:
            raise _works(f"{held} server processes work")
        yield
    else:
        with _held(Path(f"{file}.lock")):
            yield


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _works("A server works") from error
        yield
    finally:
        os.close(handle)


def _works(who: str) -> Refused:
    return Refused(
        "server-running",
        f"{who} on the source, and what is written there later would be missing at the target.",
        "Stop them first, or copy the state of this moment all the same with --online.",
    )
