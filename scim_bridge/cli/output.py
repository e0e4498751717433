"""How results are printed: a table on a terminal, or json, jsonl, csv for programs."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scim_bridge.kernel.clock import iso

EXIT_ERROR = 1
EXIT_PENDING = 3
EXIT_HELD = 4
EXIT_CONFIG = 78


class Format(StrEnum):
    """The output formats."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


Output = Annotated[Format, typer.Option("--output", "-o", help="table, json, jsonl or csv")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url", help="sqlite:///path or postgresql://…", envvar="SCIM_BRIDGE_DATABASE_URL"
    ),
]

Record = Mapping[str, Any]
INSTANTS = {"created", "expires", "last_used", "revoked", "since", "placed", "at", "last_call", "until"}
# Some of these names also count things; an instant in microseconds is past 10^14 since March 1973.
EARLIEST = 10**14


def plain(record: Record) -> dict[str, Any]:
    """Instants as RFC 3339 text, everything else as it is."""
    return {
        key: iso(value) if key in INSTANTS and isinstance(value, int) and value > EARLIEST else value
        for key, value in dict(record).items()
    }


def show(value: Record | Sequence[Record], fmt: Format, *, empty: str = "Nothing to show.") -> None:
    """Print one record or a list of records."""
    if isinstance(value, Mapping):
        _show_one(plain(value), fmt)
        return
    records = [plain(record) for record in value]
    if fmt is Format.JSON:
        _write(orjson.dumps(records, option=orjson.OPT_INDENT_2).decode())
    elif fmt is Format.JSONL:
        for record in records:
            _write(orjson.dumps(record).decode())
    elif fmt is Format.CSV:
        _write(_csv(records).rstrip("\n"))
    elif not records:
        _write(empty)
    else:
        table = Table(header_style="bold", box=None, pad_edge=False)
        for name in records[0]:
            table.add_column(name, overflow="fold")
        for record in records:
            table.add_row(*(escape(_cell(item)) for item in record.values()))
        console().print(table)


def _show_one(record: dict[str, Any], fmt: Format) -> None:
    if fmt is Format.JSON:
        _write(orjson.dumps(record, option=orjson.OPT_INDENT_2).decode())
    elif fmt is Format.JSONL:
        _write(orjson.dumps(record).decode())
    elif fmt is Format.CSV:
        _write(_csv([record]).rstrip("\n"))
    else:
        table = Table(show_header=False, box=None, pad_edge=False)
        for key, item in record.items():
            table.add_row(f"[bold]{escape(key)}[/]", escape(_cell(item)))
        console().print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item) for item in value) or "–"
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    return str(value)


def _csv(records: Sequence[Record]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    if records:
        writer.writerow(records[0])
    for record in records:
        writer.writerow([guarded(_cell(item) if item is not None else "") for item in record.values()])
    return buffer.getvalue()


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP CSV injection)."""
    return "'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def console() -> Console:
    """The terminal, or a plain wide page when piped."""
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False)


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")


def sentence(message: str, fix: str) -> str:
    """What was wrong and what to do, as sentences."""
    told = message.strip()
    return f"{told if told.endswith(('.', '!', '?')) else told + '.'} {fix}".strip()


def fail(message: str, fix: str = "") -> None:
    """One line on stderr that says what was wrong and what to do."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"[bold red]error:[/] {escape(sentence(message, fix))}"
    )
