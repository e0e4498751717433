"""`scim-bridge demo`: the main job on embedded SQLite with the sandbox IdPs."""

from __future__ import annotations

import signal
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import httpx2
import orjson
import typer
from rich.table import Table

from scim_bridge.cli.output import EXIT_ERROR, Format, console, fail
from scim_bridge.cli.story import signing_in
from scim_bridge.cli.story.play import Play, Step
from scim_bridge.cli.story.world import Broken
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.paths import SCIM_PATH


class SignIn(StrEnum):
    """The sandbox at which people sign in to the console."""

    OKTA = signing_in.OKTA
    ENTRA = signing_in.ENTRA


SIGNALS = (signal.SIGINT, signal.SIGTERM)


def demo(
    once: Annotated[bool, typer.Option("--once", help="play the story, print the summary, stop")] = False,
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            help="directory; an unfinished story there goes on, a finished one is opened as it was left",
        ),
    ] = Path(".demo"),
    again: Annotated[
        bool, typer.Option("--again", help="throw away the story in the directory and start over")
    ] = False,
    sign_in: Annotated[
        SignIn | None, typer.Option("--sign-in", help="where people sign in: okta (default) or entra")
    ] = None,
    output: Annotated[
        Format, typer.Option("--output", "-o", help="table, json or jsonl (one event a step)")
    ] = Format.TABLE,
    database_url: Annotated[
        str | None, typer.Option("--database-url", help="default: a SQLite file in the directory")
    ] = None,
) -> None:
    """Play the main job against sandbox Okta and Entra, over the network, and show what happened."""
    began = time.monotonic()
    play: Play | None = None
    code = EXIT_ERROR
    before = {number: signal.signal(number, _stopped) for number in SIGNALS}
    try:
        play = Play(data, database_url, again=again, sign_in=sign_in.value if sign_in is not None else "")
        code = _shown(play, began, once, output)
    except BridgeError as error:
        fail(error.message, error.fix)
    except (Broken, httpx2.HTTPError, OSError) as error:
        gone = play.parts.ended(within=1.0) if play is not None else None
        told = str(error) if isinstance(error, Broken) else f"{type(error).__name__}: {error}"
        fail(gone or told, "The same command goes on where it was.")
    except Stopped as stopped:
        code = 128 + stopped.number
        _say(output, "Stopped.")
    finally:
        # From here on it ends anyway; a second Ctrl-C must not leave half of the processes behind.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if play is not None:
            play.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
    if code:
        raise typer.Exit(code)


class Stopped(BaseException):
    """Somebody told the demo to end, by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _stopped(number: int, _frame: object) -> None:
    raise Stopped(number)


def _shown(play: Play, began: float, once: bool, output: Format) -> int:
    """Start, play, sum up, and stay; the exit code."""
    if play.finished:
        _say(
            output,
            f"The story in {play.notes.directory} was played: it is opened as it was left (--again starts over).",
        )
    _say(output, "Starting the bridge, sandbox Okta, Entra, HR and agent platform ...")
    play.start()
    if output is Format.JSONL:
        _event({"event": "started", "pids": play.parts.pids()})
    ok = play.play(lambda number, title: _begin(number, title, output), lambda step: _tell(step, output))
    _summary(play, ok, time.monotonic() - began, output)
    if not ok:
        return EXIT_ERROR
    if not once:
        _stay(play, output)
    return 0


def _say(output: Format, text: str) -> None:
    if output is Format.TABLE:
        console().print(text)


def _event(event: dict[str, object]) -> None:
    sys.stdout.write(orjson.dumps(event).decode() + "\n")
    sys.stdout.flush()


def _begin(number: int, title: str, output: Format) -> None:
    if output is Format.JSONL:
        _event({"event": "begin", "step": number, "title": title})


def _record(step: Step) -> dict[str, object]:
    return {
        "step": step.number,
        "title": step.title,
        "ok": step.ok,
        "seconds": step.seconds,
        "detail": step.detail,
    }


def _tell(step: Step, output: Format) -> None:
    if output is Format.JSONL:
        _event({"event": "step", **_record(step)})
    elif output is Format.TABLE:
        mark = "[green]✓[/]" if step.ok else "[red]✗[/]"
        console().print(f"{mark} {step.number:2}. {step.title} [dim]{step.seconds:.1f} s[/]")


def _summary(play: Play, ok: bool, seconds: float, output: Format) -> None:
    assert play.world is not None
    if output in (Format.JSON, Format.JSONL):
        body = {
            "event": "summary",
            "ok": ok,
            "seconds": round(seconds, 2),
            "steps": [_record(s) for s in play.steps],
        }
        _event(body)
        return
    table = Table(
        title="\nWhat happened", title_justify="left", header_style="bold", box=None, pad_edge=False
    )
    for name in ("", "step", "seconds", "what was seen"):
        table.add_column(name, justify="right" if name == "seconds" else "left", overflow="fold")
    for step in play.steps:
        mark = "[green]✓[/]" if step.ok else "[red]✗[/]"
        table.add_row(mark, step.title, f"{step.seconds:.1f}", _plain(step.detail))
    console().print(table)
    verdict = "[green]Every step held[/]" if ok else "[red]The story broke[/]"
    console().print(f"\n{verdict} in {seconds:.0f} s.")


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _stay(play: Play, output: Format) -> None:
    world = play.world
    assert world is not None
    token = play.notes.get("token:admin")
    if output is Format.TABLE:
        page = console()
        page.print("\nIt keeps running; press Ctrl-C to stop. Look around:\n")
        page.print(f"  Console        {world.bridge}/console")
        page.print(f"  Sign in with   {token}   (unfold “With an admin token”)")
        for line in signing_in.told(world):
            page.print(f"  {line}", soft_wrap=True)
        page.print(f"  SCIM           {world.bridge}{SCIM_PATH}   (token: {play.notes.get('token:okta')})")
        page.print(
            f"  Decisions      POST {world.bridge}/access/v1/evaluation   (token: {play.notes.get('token:access')})"
        )
        page.print(f"  Health         {world.bridge}/readyz   {world.bridge}/metrics")
        page.print(f"  Files, logs    {play.notes.directory}\n")
    else:
        _event({"event": "running", "console": f"{world.bridge}/console", "token": token})
    while (gone := play.parts.ended()) is None:
        time.sleep(0.5)
    raise Broken(gone)
