"""How results are printed: a table on a terminal, or json, jsonl, csv for programs."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment

from scim_bridge.cli.layout import NOTHING, print_record, print_rows
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import BadFile, BridgeError, ConfigurationError, Invalid

EXIT_ERROR = 1
EXIT_USAGE = 2
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

# Control characters (C0, DEL, C1), line and paragraph separators, and what turns the direction of text.
STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
Record = Mapping[str, Any]
INSTANTS = {
    "created",
    "expires",
    "last_used",
    "revoked",
    "since",
    "placed",
    "at",
    "last_call",
    "until",
    "seen",
}
# Some of these names also count things; an instant in microseconds is past 10^14 since March 1973.
EARLIEST = 10**14


def plain(record: Record) -> dict[str, Any]:
    """Instants as RFC 3339 text, everything else as it is."""
    return {
        key: iso(value) if key in INSTANTS and isinstance(value, int) and value > EARLIEST else value
        for key, value in dict(record).items()
    }


def show(
    value: Record | Sequence[Record],
    fmt: Format,
    *,
    empty: str = "Nothing to show.",
    brief: Sequence[str] = (),
) -> None:
    """Print one record or a list of records; `brief` are the columns that stay when a terminal is narrow."""
    one = isinstance(value, Mapping)
    records = [plain(record) for record in ([value] if isinstance(value, Mapping) else value)]
    if fmt is Format.JSON:
        _write(_json(records[0] if one else records, orjson.OPT_INDENT_2))
    elif fmt is Format.JSONL:
        for record in records:
            _write(_json(record))
    elif fmt is Format.CSV:
        _write(_csv(records).rstrip("\n"))
    elif not any(records):
        say(empty)
    else:
        rows = [{harmless(key): harmless(_cell(item)) for key, item in record.items()} for record in records]
        out = console()
        width = out.width if sys.stdout.isatty() else None
        if one:
            print_record(out, rows[0], width)
        else:
            print_rows(out, rows, width, brief)


def _json(value: Any, option: int | None = None) -> str:
    """JSON in which nothing steers a terminal: what JSON itself does not escape is escaped as it would be."""
    text = orjson.dumps(value, option=option).decode()
    return STEERING.sub(
        lambda found: f"\\u{ord(found.group()):04x}" if found.group() not in "\n" else "\n", text
    )


def harmless(text: str, keep: str = "") -> str:
    """Text with everything that would steer a terminal or turn its lines around written out (`\\x1b`)."""

    def written(found: re.Match[str]) -> str:
        one = found.group()
        if one in keep:
            return one
        return NAMED.get(one) or (f"\\x{ord(one):02x}" if ord(one) < 256 else f"\\u{ord(one):04x}")

    return STEERING.sub(written, text)


def say(text: str = "") -> None:
    """Print a line of text for people."""
    _write(harmless(text, "\n"))


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Show on a terminal that something takes its time; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield
        return
    with _Screen(stderr=True, highlight=False).status(harmless(what)):
        yield


def done(text: str, record: Record, fmt: Format) -> None:
    """What a command did: a line for people, a record for programs."""
    if fmt is Format.TABLE:
        say(text)
    else:
        show(record, fmt)


def _cell(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item) for item in value) or NOTHING
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    return str(value)


class _Screen(Console):
    """A terminal that is steered by us alone, whatever is in the texts it shows."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Pieces of text with everything that is no text written out; our own control codes stay."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else harmless(text, "\n"), style, control)


def _csv(records: Sequence[Record]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    if records:
        writer.writerow(records[0])
    for record in records:
        writer.writerow(
            [guarded(harmless(_cell(item), "\n\t") if item is not None else "") for item in record.values()]
        )
    return buffer.getvalue()


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP CSV injection)."""
    return "'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def console() -> Console:
    """The terminal, or a plain wide page when piped."""
    return _Screen(width=None if sys.stdout.isatty() else 200, highlight=False)


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")


def sentence(message: str, fix: str) -> str:
    """What was wrong and what to do, as sentences."""
    told = message.strip()
    return f"{told if told.endswith(('.', '!', '?')) else told + '.'} {fix}".strip()


def exit_code(error: BridgeError) -> int:
    """78 for wrong settings, 2 for an argument that cannot be right, 1 for everything else."""
    if isinstance(error, ConfigurationError):
        return EXIT_CONFIG
    return EXIT_USAGE if isinstance(error, Invalid) and not isinstance(error, BadFile) else EXIT_ERROR


def refuse(error: BridgeError) -> int:
    """Say on one line what was wrong and what to do; the exit code."""
    fail(error.message, error.fix)
    return exit_code(error)


def fail(message: str, fix: str = "") -> None:
    """One line on stderr that says what was wrong and what to do."""
    _Screen(stderr=True, highlight=False, soft_wrap=True).print(
        f"[bold red]error:[/] {escape(sentence(message, fix))}"
    )
