"""One worker process on a SQLite file: its lock, the job engine's own file beside it, and what was left there.

On PostgreSQL several processes work, each in a slot of its own (`slots.py`).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from scim_bridge.kernel.errors import ConfigurationError


class SingleProcess:
    """A file lock: on SQLite a second worker process would run every job twice."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock or refuse to start."""
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            self._handle = None
            raise ConfigurationError(
                "database_url",
                f"another scim-bridge server already works on this SQLite file ({self._path.name} is locked)",
                "Stop it, or move to PostgreSQL to run several.",
            ) from error

    def release(self) -> None:
        """Give the lock back."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def left_in(file: Path) -> list[str]:
    """The workflows that were under way when the process that had this SQLite file of jobs ended."""
    try:
        with closing(sqlite3.connect(file)) as jobs:
            rows = jobs.execute(
                "SELECT workflow_uuid FROM workflow_status WHERE status = 'PENDING'"
            ).fetchall()
    except sqlite3.Error:
        # A new file: nobody has worked yet.
        return []
    return [str(row[0]) for row in rows if str(row[0]).startswith("effect:")]


def jobs_database(database_url: str) -> str:
    """Where DBOS keeps its tables: a file of its own beside SQLite, its own schema on PostgreSQL."""
    if database_url.startswith("sqlite:///"):
        return database_url + ".jobs"
    return "postgresql://" + database_url.split("://", 1)[1]
