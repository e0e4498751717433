"""What earlier releases left in their databases, as `record.py` kept it, and how it is put into one again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import text
from sqlalchemy.engine import Connection

from scim_bridge.migrations import config, opened

RECORDED = Path(__file__).parent / "recorded"
REVISIONS = sorted(file.name.split(".")[0] for file in RECORDED.glob("*.jsonl.gz"))
Row = dict[str, Any]


@dataclass(frozen=True)
class Recording:
    """One release's rows by table, the statements of its source, its master key and its tokens."""

    revision: str
    key: str
    tokens: dict[str, str]
    rows: dict[str, list[Row]]
    statements: list[str]


def _value(value: Any) -> Any:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value


@cache
def recording(revision: str) -> Recording:
    """What the release of a revision left."""
    lines = gzip.decompress((RECORDED / f"{revision}.jsonl.gz").read_bytes()).decode().splitlines()
    head, *rest = [json.loads(line) for line in lines]
    rows: dict[str, list[Row]] = {}
    for line in rest:
        if "table" in line:
            row = {name: _value(value) for name, value in line["row"].items()}
            rows.setdefault(line["table"], []).append(row)
    notes = head["notes"]
    tokens = {
        name.removeprefix("token:"): value for name, value in notes.items() if name.startswith("token:")
    }
    statements = [line["statement"] for line in rest if "statement" in line]
    return Recording(head["revision"], notes["secret:master"], tokens, rows, statements)


def schema(connection: Connection, revision: str) -> None:
    """Bring an empty database to a revision."""
    command.upgrade(config(connection), revision)
    connection.commit()


def fill(connection: Connection, rows: dict[str, list[Row]]) -> None:
    """Write the rows as that release wrote them: with the columns it knew, and no others."""
    for table, some in rows.items():
        names = list(some[0])
        columns, marks = ", ".join(f'"{name}"' for name in names), ", ".join(f":{name}" for name in names)
        connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({marks})"), some)
    connection.commit()


def restored(url: str, revision: str) -> Recording:
    """An empty database becomes the one that release left."""
    found = recording(revision)
    with opened(url) as connection:
        schema(connection, revision)
        fill(connection, found.rows)
    return found


def read(connection: Connection, table: str, columns: Iterable[str]) -> set[tuple[Any, ...]]:
    """The rows of a table, as far as these columns say."""
    names = ", ".join(f'"{name}"' for name in columns)
    return {_plain(row) for row in connection.execute(text(f"SELECT {names} FROM {table}"))}


def told(rows: list[Row], columns: Collection[str]) -> set[tuple[Any, ...]]:
    """The same of recorded rows."""
    return {_plain([row[name] for name in columns]) for row in rows}


def _plain(row: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
