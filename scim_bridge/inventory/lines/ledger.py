"""What the lines of a file say of each other: names, references and memberships, kept outside memory.

A private SQLite database that is gone with the process. It holds names and places only; the entries
themselves stay in the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from scim_bridge.inventory.lines.quick import Entry
from scim_bridge.inventory.manifest import (
    AGENTS_DOMAIN,
    AgentEntry,
    GroupEntry,
    MemberEntry,
    default_user_name,
)
from scim_bridge.registry.model import fold

# `act` marks what differs from the registry. An agent's userName is kept when it is not the one its slug makes.
TABLES = """
CREATE TABLE person (n INTEGER PRIMARY KEY, key TEXT, name TEXT, email TEXT, manager TEXT, active INT, line INT,
  at INT, depth INT DEFAULT 0, act INT DEFAULT 0);
CREATE TABLE grp (n INTEGER PRIMARY KEY, key TEXT, name TEXT, owner TEXT, whole INT, line INT, at INT,
  act INT DEFAULT 0);
CREATE TABLE agent (n INTEGER PRIMARY KEY, slug TEXT, user_key TEXT, workload TEXT, heirs INT, line INT, at INT,
  act INT DEFAULT 0);
CREATE TABLE member (grp TEXT, slug TEXT, line INT, at INT, act INT DEFAULT 0, PRIMARY KEY (grp, slug))
  WITHOUT ROWID;
CREATE TABLE reference (key TEXT PRIMARY KEY, name TEXT, left INT DEFAULT 0) WITHOUT ROWID;
CREATE TABLE look (at INTEGER PRIMARY KEY, line INT);
"""
INDEXES = """
CREATE INDEX person_key ON person (key);
CREATE INDEX person_email ON person (email);
CREATE INDEX grp_key ON grp (key);
CREATE INDEX agent_slug ON agent (slug);
CREATE INDEX agent_user ON agent (user_key) WHERE user_key IS NOT NULL;
CREATE INDEX agent_workload ON agent (workload) WHERE workload IS NOT NULL;
CREATE INDEX member_slug ON member (slug);
"""
INSERTS = {
    "person": "INSERT INTO person (key, name, email, manager, active, line, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    "grp": "INSERT INTO grp (key, name, owner, whole, line, at) VALUES (?, ?, ?, ?, ?, ?)",
    "agent": "INSERT INTO agent (slug, user_key, workload, heirs, line, at) VALUES (?, ?, ?, ?, ?, ?)",
    "member": "INSERT OR IGNORE INTO member (grp, slug, line, at) VALUES (?, ?, ?, ?)",
    "reference": "INSERT OR IGNORE INTO reference (key) VALUES (?)",
}
WAITING = 5_000
SEEN = 50_000
CACHE_KB = 48 * 1024


class Referred(NamedTuple):
    """Whom a reference means: the userName as it is spelt, and whether that person has left."""

    name: str
    left: bool


class Ledger:
    """Open until `close`. Everything is folded but slugs and workload ids."""

    def __init__(self) -> None:
        # The empty name is a file SQLite deletes before anybody sees it. Transaction bodies run in other threads.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{CACHE_KB}"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.create_function("casefold", 1, lambda text: text and fold(text), deterministic=True)
        self._db.executescript(TABLES)
        self._db.execute("BEGIN")
        self._waiting: dict[str, list[tuple[Any, ...]]] = {table: [] for table in INSERTS}
        self._seen: set[str] = set()

    def close(self) -> None:
        """Forget everything."""
        self._db.close()

    def add(self, entry: Entry, line: int, at: int) -> None:
        """Note an entry of the file; values that could not be read are empty and lead nowhere."""
        if isinstance(entry, AgentEntry):
            self._agent(entry, line, at)
        elif isinstance(entry, MemberEntry):
            self._put("member", (fold(entry.group), entry.agent, line, at))
        elif isinstance(entry, GroupEntry):
            key, whole = fold(entry.name), "members" in entry.given
            self._put("grp", (key, entry.name, fold(entry.owner), whole, line, at))
            self._refer(entry.owner)
            for slug in entry.members:
                self._put("member", (key, slug, line, at))
        else:
            key, manager = fold(entry.user_name), fold(entry.manager)
            self._put("person", (key, entry.user_name, fold(entry.email), manager, entry.active, line, at))
            self._refer(entry.manager)

    def _agent(self, entry: AgentEntry, line: int, at: int) -> None:
        slug = entry.slug
        key = fold(entry.user_name)
        own = None if not slug or key == default_user_name(slug) else key
        heirs = bool(entry.co_owners)
        self._put("agent", (slug, own, entry.workload_id or None, heirs, line, at))
        self._refer(entry.owner)
        for name in (*entry.co_owners, *entry.sponsors):
            self._refer(name)
        for group in entry.groups:
            self._put("member", (fold(group), slug, line, at))

    def _refer(self, name: str) -> None:
        if name and name not in self._seen:
            if len(self._seen) >= SEEN:
                self._seen.clear()
            self._seen.add(name)
            self._put("reference", (fold(name),))

    def _put(self, table: str, row: tuple[Any, ...]) -> None:
        rows = self._waiting[table]
        rows.append(row)
        if len(rows) >= WAITING:
            self._db.executemany(INSERTS[table], rows)
            rows.clear()

    def complete(self) -> None:
        """All entries are noted: write what waits, and make the indexes at once."""
        for table, rows in self._waiting.items():
            self._db.executemany(INSERTS[table], rows)
            rows.clear()
        self._seen.clear()
        self._db.execute("DELETE FROM member WHERE grp = '' OR slug = ''")
        for statement in INDEXES.split(";"):
            self._db.execute(statement)

    def all(self, sql: str, *values: Any) -> list[Any]:
        """Every row of a query."""
        return self._db.execute(sql, values).fetchall()

    def each(self, sql: str, *values: Any) -> Iterator[Any]:
        """The rows of a query one by one; nothing may be written meanwhile."""
        return self._db.cursor().execute(sql, values)

    def write(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each of these rows."""
        self._db.executemany(sql, rows)

    def pages(self, table: str, size: int, where: str = "1") -> Iterator[list[Any]]:
        """All columns of a table in the order of the file, so many rows at a time."""
        last = 0
        names = [row[1] for row in self.all(f"PRAGMA table_info({table})")]
        while rows := self.all(
            f"SELECT * FROM {table} WHERE n > ? AND {where} ORDER BY n LIMIT ?", last, size
        ):
            last = rows[-1][0]
            yield [dict(zip(names, row, strict=True)) for row in rows]

    def count(self, table: str, where: str = "1") -> int:
        """How many rows."""
        return int(self.all(f"SELECT COUNT(*) FROM {table} WHERE {where}")[0][0])

    def referred(self, keys: Iterable[str]) -> dict[str, Referred]:
        """Whom these (folded) references mean, those that lead to somebody."""
        rows = self.all(
            "SELECT key, name, left FROM reference WHERE name IS NOT NULL AND key IN (SELECT value FROM json_each(?))",
            listing(keys),
        )
        return {key: Referred(name, bool(left)) for key, name, left in rows}

    def memberships(self, slugs: Iterable[str]) -> set[tuple[str, str]]:
        """(folded group, slug) of every membership the file gives these agents."""
        sql = "SELECT grp, slug FROM member WHERE slug IN (SELECT value FROM json_each(?))"
        return set(self.all(sql, listing(slugs)))

    def whole(self, groups: Iterable[str]) -> set[str]:
        """Those of these (folded) groups whose members the file gives completely."""
        sql = "SELECT key FROM grp WHERE whole AND key IN (SELECT value FROM json_each(?))"
        return {row[0] for row in self.all(sql, listing(groups))}


def listing(texts: Iterable[str]) -> str:
    """Texts as the value that `json_each` makes a list of."""
    return orjson.dumps(list(texts)).decode()


def robot(user_key: str) -> str | None:
    """The slug whose agent has this (folded) userName when it gives no other."""
    slug, at, domain = user_key.rpartition("@")
    return slug if at and domain == AGENTS_DOMAIN else None
