"""What is held against a database before and after it moves: its version, its key, its emptiness, its chain."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson

from scim_bridge.audit.export import COLUMNS, MARKS
from scim_bridge.audit.walk import Walk
from scim_bridge.kernel.errors import ConfigurationError, Refused
from scim_bridge.kernel.master_key import MasterKey
from scim_bridge.kernel.ownership import FACT
from scim_bridge.moving.sides import Side, quoted

SHOWN = 8


def key_fits(side: Side, master: MasterKey, place: str) -> str:
    """The first digits of the fingerprint of the key a database belongs to; ConfigurationError when none fits."""
    row = side.one("SELECT value FROM sb_fact WHERE name = ?", FACT)
    if row is None:
        if side.one("SELECT 1 FROM sb_key LIMIT 1") is None:
            return "none yet"
        raise ConfigurationError(
            "secret_key",
            "the database does not say which master key it belongs to",
            "Run any command of this version on it first, with its key.",
        )
    if not master.use(str(row[0])):
        raise ConfigurationError(
            "secret_key",
            f"the database belongs to the master key with fingerprint {str(row[0])[:SHOWN]}, which is not in {place}",
            "Give its key: SCIM_BRIDGE_SECRET_KEY, SCIM_BRIDGE_SECRET_KEY_FILE, or scim-bridge.key beside the file.",
        )
    return str(row[0])[:SHOWN]


def counted(side: Side, table: str) -> int:
    """How many rows a table has."""
    return int(side.one(f'SELECT COUNT(*) FROM "{table}"')[0])


def must_be_empty(side: Side, place: str) -> None:
    """Refused when a database holds a single row of ours, or jobs of an earlier life."""
    full = [table for table in side.tables() if side.one(f'SELECT 1 FROM "{table}" LIMIT 1') is not None]
    if full:
        raise Refused(
            "target-not-empty",
            f"{place} is not empty (rows in {', '.join(full[:3])}{', …' if len(full) > 3 else ''}).",
            "Name a new database; nothing was changed.",
        )
    if side.backend == "postgresql" and _has_jobs(side):
        raise Refused(
            "target-not-empty",
            f"{place} holds jobs of an earlier installation (schema dbos).",
            "Name a new database, or drop that schema.",
        )


def _has_jobs(side: Side) -> bool:
    known = side.one("SELECT to_regclass('dbos.workflow_status')::text")[0]
    return bool(known) and side.one("SELECT 1 FROM dbos.workflow_status LIMIT 1") is not None


def counters(side: Side) -> dict[str, int]:
    """The running totals by name."""
    return {
        str(name): int(value)
        for chunk in side.rows("SELECT name, SUM(value) FROM sb_counter GROUP BY name ORDER BY name")
        for name, value in chunk
    }


def chain(side: Side) -> dict[str, Any]:
    """What verifying the audit chain of a database finds: rows, checkpoints, and what does not add up."""
    keys = {
        str(kid): orjson.loads(public)
        for chunk in side.rows("SELECT kid, public FROM sb_key WHERE purpose = 'audit'")
        for kid, public in chunk
    }
    walk = Walk(keys)
    names, marked = sorted(COLUMNS), sorted(MARKS)
    marks = [
        dict(zip(marked, mark, strict=True))
        for chunk in side.rows(f"SELECT {quoted(marked)} FROM sb_checkpoint ORDER BY last_seq")
        for mark in chunk
    ]
    at = 0
    for chunk in side.rows(f"SELECT {quoted(names)} FROM sb_audit WHERE seq IS NOT NULL ORDER BY seq"):
        for values in chunk:
            row = dict(zip(names, values, strict=True))
            while at < len(marks) and marks[at]["last_seq"] < row["seq"]:
                walk.checkpoint(marks[at])
                at += 1
            walk.row(row)
    for mark in marks[at:]:
        walk.checkpoint(mark)
    unsealed = side.one("SELECT COUNT(*) FROM sb_audit WHERE seq IS NULL")[0]
    found = [finding.message for finding in walk.findings()]
    return {"rows": walk.rows, "checkpoints": walk.checkpoints, "unsealed": int(unsealed), "findings": found}


def sound_file(path: str) -> str:
    """What SQLite says of a file's structure: "ok", or the first thing that is wrong."""
    connection = sqlite3.connect(path)
    try:
        return str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)
    finally:
        connection.close()
