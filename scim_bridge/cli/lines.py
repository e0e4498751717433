"""`agents import` of a file of lines: a progress bar on a terminal, events for programs, Ctrl-C between portions."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from scim_bridge.cli.output import EXIT_PENDING, Format, fail, say, show
from scim_bridge.inventory.lines.service import LinesResult, import_lines
from scim_bridge.inventory.problems import ManifestProblems
from scim_bridge.kernel.work import Actor, Store

# What a shell says of a program that Ctrl-C ended.
EXIT_STOPPED = 130
STEPS = {
    "checking": "Checking the lines",
    "comparing": "Comparing with the registry",
    "applying": "Importing",
}


async def run_lines(
    store: Store, actor: Actor, file: Path, *, dry_run: bool, size: int, output: Format
) -> LinesResult | ManifestProblems:
    """Import with whatever shows progress on this output."""
    with _until_interrupted() as stopping, _watch(output) as watch:
        try:
            return await import_lines(
                store, actor, file, size=size, dry_run=dry_run, progress=watch, stopping=stopping.is_set
            )
        except ManifestProblems as problems:
            return problems


def report_lines(found: LinesResult, output: Format, file: Path) -> None:
    """The result on the terminal or for programs, and the exit code."""
    if output is Format.TABLE:
        told = ", ".join(f"{count:,} {name}" for name, count in _counts(found).items() if count)
        word = "Would be" if found.dry_run else "Imported"
        say(f"{found.entries:,} entries. {word}: {told or 'nothing'}.")
    elif output is Format.JSONL:
        _event("finished", found.as_dict())
    else:
        show(found.as_dict(), output)
    if found.dry_run:
        raise typer.Exit(EXIT_PENDING if found.portions else 0)
    if not found.complete:
        message = f"Stopped: {found.applied:,} of {found.portions:,} portions are in, each of them whole."
        fail(message, f"To go on, run it again: scim-bridge agents import {file}")
        raise typer.Exit(EXIT_STOPPED)


def _counts(found: LinesResult) -> dict[str, int]:
    return {name: count for name, count in found.counts.items() if count}


@contextmanager
def _until_interrupted() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second one ends the program as ever."""
    stopping = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return

    def interrupted(number: int, frame: FrameType | None) -> None:
        stopping.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.stderr.write("\nStopping after the portion under way; Ctrl-C again to stop at once.\n")

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGINT, before)


def _watch(output: Format) -> Any:
    if output is Format.JSONL:
        return Events()
    return Bar(Console(stderr=True))


def _event(name: str, values: Mapping[str, object]) -> None:
    sys.stdout.write(orjson.dumps({"event": name, **values}).decode() + "\n")
    sys.stdout.flush()


class Bar:
    """A bar on standard error; on something that is no terminal, nothing."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task: TaskID | None = None
        self._begun, self._done, self._counts_entries = 0.0, 0, False

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, step: str, total: int) -> None:
        """A step begins."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(STEPS[step], total=total, rate="")
        self._begun, self._done, self._counts_entries = time.monotonic(), 0, step != "checking"

    def advance(self, amount: int) -> None:
        """So much more of it is done."""
        assert self._task is not None
        self._done += amount
        seconds = time.monotonic() - self._begun
        rate = f"{self._done / seconds:,.0f}/s" if self._counts_entries and seconds > 0.5 else ""
        self._bar.update(self._task, advance=amount, rate=rate)

    def applied(self, portion: int, portions: int, entries: int, counts: dict[str, int]) -> None:
        """A portion is committed."""


class Events:
    """One JSON object a line on standard output: steps as they begin, and every portion."""

    def __enter__(self) -> Events:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def begin(self, step: str, total: int) -> None:
        """A step begins."""
        _event(step, {"bytes" if step == "checking" else "entries": total})

    def advance(self, amount: int) -> None:
        """So much more of it is done."""

    def applied(self, portion: int, portions: int, entries: int, counts: dict[str, int]) -> None:
        """A portion is committed."""
        _event("portion", {"portion": portion, "portions": portions, "entries": entries, **counts})
