"""`scim-bridge db`: move the database, back it up, bring it back, and see how it grows."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from scim_bridge.app import KEY_FILE
from scim_bridge.cli.output import DatabaseUrl, Format, Output, fail, refuse, say, show
from scim_bridge.cli.session import actor, settings, with_bridge
from scim_bridge.kernel.errors import BridgeError, ConfigurationError
from scim_bridge.kernel.master_key import MasterKey, load_keys, meanings
from scim_bridge.settings.model import Settings

app = typer.Typer(no_args_is_help=True, help="The database: copy, back up, restore, status.")
T = TypeVar("T")
EXIT_STOPPED = 130
STEPS = {
    "copying": "Copying",
    "indexing": "Indexing",
    "verifying": "Verifying",
    "audit": "Verifying the chain",
}
Told = Callable[[str, str, int, int], None]


@app.command()
def migrate(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Make the database, or bring it to the schema of this version; what a server does at its start."""
    from scim_bridge.migrations import head

    async def body(bridge: Any) -> str:
        return str(bridge.ctx.store.database.backend)

    show({"backend": with_bridge(database_url, body, create=True), "schema": head()}, output)


@app.command("copy")
def copy_(
    source: Annotated[str, typer.Argument(help="where the data is: sqlite:///path or postgresql://…")],
    target: Annotated[str, typer.Argument(help="where it shall be: a new, empty database")],
    online: Annotated[
        bool, typer.Option("--online", help="copy the state of this moment while servers go on writing")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Copy every table to another database and verify it there: all of it, or nothing.

    Ctrl-C stops it; the target is empty then, and the same command starts again. The source is not changed.
    """
    from scim_bridge.moving.copying import copy

    def body() -> None:
        master, place = _master(settings(source), source, target)
        with _told(output) as told:
            moved = copy(source, target, master, place, actor(), online=online, progress=told)
        if output is Format.JSONL:
            _event("finished", asdict(moved) | {"rows": moved.rows})
            return
        if output is not Format.TABLE:
            show(asdict(moved) | {"rows": moved.rows}, output)
            return
        show([{"table": name, **found} for name, found in moved.tables.items() if found["rows"]], output)
        say(
            f"{moved.rows:,} rows copied; counts, digests, counters and the audit chain"
            f" ({moved.chain['rows']:,} rows) are the same at {moved.target}."
        )
        if online:
            say("What servers wrote after the copy began is not in it.")
        if moved.handed_again:
            say(f"{moved.handed_again} outward calls that were under way are made by the new server.")

    _guarded(body, "Stopped: the target is as empty as before.")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="the new file")],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Write the state of this moment into a file while servers go on, and verify it.

    SQLite: a SQLite file. PostgreSQL: what pg_dump writes. The master key is not in it: keep it elsewhere.
    """
    from scim_bridge.moving import backup as backups

    def body() -> None:
        chosen = settings(database_url)
        master, place = _master(chosen, chosen.database_url)
        with _told(output) as told:
            made = backups.backup(chosen.database_url, file, master, place, told)
        show(made, output)

    _guarded(body, f"Stopped: there is no {file}.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="what `db backup` wrote")],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Bring a backup to where no database is, and verify it before it counts."""
    from scim_bridge.moving import backup as backups

    def body() -> None:
        chosen = settings(database_url)
        master, place = _master(chosen, chosen.database_url)
        with _told(output) as told:
            made = backups.restore(chosen.database_url, file, master, place, actor(), told)
        show(made, output)

    _guarded(body, "Stopped: nothing was restored.")


@app.command()
def status(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Schema version and size, and for each table its rows, its growth and what bounds it."""
    from scim_bridge.moving.status import status as look

    def body() -> None:
        found = look(settings(database_url).database_url)
        if output is Format.TABLE:
            tables = found.pop("tables")
            show(found, output)
            show(
                [one for one in tables if one["rows"]],
                output,
                brief=("table", "rows", "last day", "bounded by"),
            )
        else:
            show(found, output)

    _guarded(body, "Stopped.")


def _master(chosen: Settings, *urls: str) -> tuple[MasterKey, str]:
    """The keys that are at hand: those of the settings, and those in a key file beside a SQLite file that is named."""
    files = [
        Path(url.removeprefix("sqlite:///")).parent / KEY_FILE for url in urls if url.startswith("sqlite:///")
    ]
    texts = (chosen.secret_key, *chosen.secret_key_previous) if chosen.secret_key else ()
    keys = [key for text in texts for key in meanings(text)]
    keys += [key for file in files for key in load_keys(file)]
    place = "the setting secret_key" if texts else " or ".join(map(str, files)) or KEY_FILE
    if not keys:
        raise ConfigurationError(
            "secret_key",
            f"there is none, and no {place}",
            "Set SCIM_BRIDGE_SECRET_KEY_FILE to the key of this database.",
        )
    return MasterKey(keys[0], keys[1:]), place


def _guarded(body: Callable[[], None], stopped: str) -> None:
    try:
        body()
    except BridgeError as error:
        raise typer.Exit(refuse(error)) from error
    except KeyboardInterrupt as error:
        fail(stopped, "The same command starts again.")
        raise typer.Exit(EXIT_STOPPED) from error


@contextmanager
def _told(output: Format) -> Iterator[Told]:
    """A bar on a terminal; with jsonl an event for every table and second."""
    if output is Format.JSONL:
        yield _Events()
        return
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)

        def told(step: str, table: str, done: int, total: int) -> None:
            bar.update(
                task, description=f"{STEPS[step]} {table}".strip(), completed=done, total=total or None
            )

        yield told


def _event(name: str, values: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps({"event": name, **values}).decode() + "\n")
    sys.stdout.flush()


class _Events:
    """At most one line a second, and one when a table is through."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, step: str, table: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - self._last < 1.0:
            return
        self._last = now
        _event(step, {"table": table, "done": done, "total": total})
