"""What a sandbox remembers: JSON objects by kind and key, and a journal of every call in and out."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import orjson

from scim_bridge.sandbox.kit.clock import Clock, SystemClock
from scim_bridge.sandbox.kit.redact import safe_headers, without_secrets

Direction = Literal["in", "out"]

_TABLES = """
CREATE TABLE IF NOT EXISTS object (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
  UNIQUE (kind, key));
CREATE TABLE IF NOT EXISTS journal (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, direction TEXT NOT NULL,
  operation TEXT NOT NULL, method TEXT NOT NULL, url TEXT NOT NULL, request_body BLOB,
  status INTEGER NOT NULL, response_body BLOB, headers BLOB NOT NULL);
"""


class Store:
    """A SQLite file (or memory, for path None) that outlives kill -9 of its process.

    Writes outside `transaction()` commit at once. Values are JSON objects; what `get` returns is a copy.
    """

    def __init__(self, path: Path | None, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._depth = 0
        self._versions: dict[str, int] = {}
        self._touched: dict[str, dict[str, bool]] = {}
        self._listed: dict[str, dict[str, dict[str, Any]]] = {}
        self._epoch = 0
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA busy_timeout=5000")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything inside together, or nothing when it raises. Never await inside."""
        with self._lock:
            if self._depth:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                self._epoch += 1
                raise
            else:
                self._db.execute("COMMIT")
            finally:
                self._depth = 0

    def put(self, kind: str, key: str, value: Mapping[str, Any]) -> None:
        """Create or replace an object; a replaced one keeps its place in the order."""
        with self._lock:
            self._touch(kind, key, gone=False)
            self._db.execute(
                "INSERT INTO object (kind, key, value) VALUES (?, ?, ?) "
                "ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
                (kind, key, orjson.dumps(value)),
            )

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """The object, or None."""
        with self._lock:
            row = self._db.execute(
                "SELECT value FROM object WHERE kind = ? AND key = ?", (kind, key)
            ).fetchone()
        return None if row is None else orjson.loads(row[0])

    def delete(self, kind: str, key: str) -> bool:
        """Remove an object; True when there was one."""
        with self._lock:
            self._touch(kind, key, gone=True)
            return self._db.execute("DELETE FROM object WHERE kind = ? AND key = ?", (kind, key)).rowcount > 0

    def _touch(self, kind: str, key: str, *, gone: bool) -> None:
        self._versions[kind] = self._versions.get(kind, 0) + 1
        touched = self._touched.setdefault(kind, {})
        touched[key] = gone or touched.pop(key, False)

    def listing(self, kind: str) -> list[dict[str, Any]]:
        """Every object of a kind, in the order they were first put; what did not change is not read again.

        Not to be changed, and not for a transaction: what it sees may be rolled back.
        """
        with self._lock:
            touched = self._touched.pop(kind, {})
            kept = self._listed.get(kind)
            if kept is None:
                kept = self._listed[kind] = dict(self.all(kind))
                return list(kept.values())
            for key, gone in touched.items():
                found = self.get(kind, key)
                if gone or found is None:
                    # Put again after it was removed, it stands last.
                    kept.pop(key, None)
                if found is not None:
                    kept[key] = found
            return list(kept.values())

    def version(self, kind: str) -> tuple[int, int]:
        """Differs from an earlier answer when an object of this kind may have changed since then."""
        with self._lock:
            return self._epoch, self._versions.get(kind, 0)

    def all(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        """Every object of a kind with its key, in the order they were first put."""
        with self._lock:
            rows = self._db.execute(
                "SELECT key, value FROM object WHERE kind = ? ORDER BY seq", (kind,)
            ).fetchall()
        return [(key, orjson.loads(value)) for key, value in rows]

    def clear(self) -> None:
        """Forget every object and every call."""
        with self._lock:
            self._epoch += 1
            self._listed.clear()
            self._db.execute("DELETE FROM object")
            self._db.execute("DELETE FROM journal")

    def kinds(self) -> dict[str, int]:
        """How many objects there are of each kind."""
        with self._lock:
            return dict(self._db.execute("SELECT kind, count(*) FROM object GROUP BY kind").fetchall())

    def record(
        self,
        direction: Direction,
        operation: str,
        method: str,
        url: str,
        request_body: Any,
        status: int,
        response_body: Any,
        headers: Mapping[str, str],
    ) -> int:
        """Write one call into the journal; its id. Credentials are masked, Authorization is left out.

        Bodies are parsed JSON, text or None. Status 0 means there was no answer.
        """
        row = (
            self.clock.now(),
            direction,
            operation,
            method,
            url,
            orjson.dumps(without_secrets(request_body)),
            status,
            orjson.dumps(without_secrets(response_body)),
            orjson.dumps(safe_headers(headers)),
        )
        with self._lock:
            done = self._db.execute(
                "INSERT INTO journal (at, direction, operation, method, url, request_body, status,"
                " response_body, headers) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        return int(done.lastrowid or 0)

    def journal(self, direction: Direction | None = None, after: int = 0) -> list[dict[str, Any]]:
        """The calls with an id above `after`, oldest first.

        Keys: id, at (microseconds), direction, operation, method, url, request_body, status,
        response_body, headers.
        """
        with self._lock:
            rows = self._db.execute(
                "SELECT id, at, direction, operation, method, url, request_body, status, response_body,"
                " headers FROM journal WHERE id > ? AND (? IS NULL OR direction = ?) ORDER BY id",
                (after, direction, direction),
            ).fetchall()
        return [
            {
                "id": row[0],
                "at": row[1],
                "direction": row[2],
                "operation": row[3],
                "method": row[4],
                "url": row[5],
                "request_body": orjson.loads(row[6]),
                "status": row[7],
                "response_body": orjson.loads(row[8]),
                "headers": orjson.loads(row[9]),
            }
            for row in rows
        ]
