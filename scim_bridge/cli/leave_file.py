"""`scim-bridge departures import`: a file of leavers from HR, checked as a whole, shown, then told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from scim_bridge.cli.output import (
    EXIT_ERROR,
    EXIT_HELD,
    EXIT_PENDING,
    DatabaseUrl,
    Format,
    Output,
    fail,
    say,
    show,
)
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.departures.service import reactor
from scim_bridge.kernel.errors import BadFile
from scim_bridge.signals import leave_file
from scim_bridge.signals.leave_rows import read_file


def import_(
    file: Annotated[
        Path, typer.Argument(help="CSV: userName, email or employee_number; last_day; time_zone; kind")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check and show, change nothing")] = False,
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="leave out people nobody here knows")
    ] = False,
    max_count: Annotated[int, typer.Option("--max-count", min=0, help="hold when more would leave")] = (
        leave_file.COUNT
    ),
    max_percent: Annotated[
        int, typer.Option("--max-percent", min=0, max=100, help="hold when a larger share would leave")
    ] = leave_file.PERCENT,
    release: Annotated[
        str | None, typer.Option("--release", help="why it is done although it is held; audited")
    ] = None,
    reason: Annotated[str, reason_option()] = "reported by HR in a file",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Tell of everybody in a file of leavers. Nothing is done while one line of it is wrong."""

    async def body(bridge: Any) -> tuple[leave_file.LeavePlan, int, int | None]:
        store = bridge.ctx.store
        now = store.clock.now()
        found = read_file(_bytes(file))
        made = await leave_file.plan(store.reads, found, now, count=max_count, percent=max_percent)
        if _stopped(made, skip_unknown) or dry_run or (made.held and not release):
            return made, now, None
        with _watch(output) as progress:
            told = await leave_file.carry_out(
                store,
                actor(),
                made,
                reactor(bridge.rules),
                reason=reason,
                release=release or "",
                progress=progress,
            )
        return made, now, told

    made, now, told = with_bridge(database_url, body)
    rows = leave_file.shown(made.leavers, now)
    wrong = [
        {"line": one.line, "fault": one.why}
        for one in sorted(_wrong(made, skip_unknown), key=lambda f: f.line)
    ]
    show(wrong or rows, output, empty="Nobody leaves by this file.", brief=("line", "person", "at", "then"))
    _ended(made, told, bool(wrong), dry_run, output is Format.TABLE)


def _wrong(made: leave_file.LeavePlan, skip_unknown: bool) -> list[Any]:
    return [*made.faults, *(() if skip_unknown else made.unknown)]


def _stopped(made: leave_file.LeavePlan, skip_unknown: bool) -> bool:
    return bool(_wrong(made, skip_unknown))


def _ended(made: leave_file.LeavePlan, told: int | None, wrong: bool, dry_run: bool, table: bool) -> None:
    if wrong:
        fail("The file has faults, and nothing was done.", "Mend these lines.")
        raise typer.Exit(EXIT_ERROR)
    if told is None and made.held:
        fail(f"HELD: {made.held}", "Do it nevertheless with --release REASON.")
        raise typer.Exit(EXIT_HELD)
    if table and made.unknown:
        say(f"Left out, for nobody here knows them: {len(made.unknown)}.")
    if dry_run:
        raise typer.Exit(EXIT_PENDING if made.open else 0)
    if table:
        say(f"Told: {told}. See `scim-bridge departures list`.")


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadFile(
            "leave-file", f"{file} cannot be read ({error.strerror}).", "Check the path."
        ) from error


@contextmanager
def _watch(output: Format) -> Iterator[leave_file.Progress]:
    """A bar on a terminal, on standard error; nothing for programs."""
    if output is not Format.TABLE or not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    columns = (TextColumn("Telling"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("telling", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
