"""Playing the demo as a person would, and killing parts of it on the way."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scim_bridge.signals.idp.news import NEWS_READ

STEPS = 13
PATIENCE = 480.0


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill -9 a part this many seconds after a step began (or when the step ends, if that is sooner)."""

    step: int
    part: str
    after: float


@dataclass(slots=True)
class Run:
    """One start of the demo, as its events told it."""

    code: int = 0
    pids: dict[str, int] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    killed: bool = False


def play(directory: Path, kill: Kill | None = None, options: Sequence[str] = ()) -> Run:
    """Start `demo --once`, kill as asked, and wait for its end."""
    command = [sys.executable, "-m", "scim_bridge", "demo", "--once", "--data", str(directory)]
    process = subprocess.Popen(
        [*command, "--output", "jsonl", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    run = Run(pids={"demo": process.pid})
    due: float | None = None
    deadline = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            wait = PATIENCE if due is None else max(0.0, due - time.monotonic())
            ready, _, _ = select.select([process.stdout], [], [], wait)
            if kill is not None and due is not None and (not ready or time.monotonic() >= due):
                os.kill(run.pids[kill.part], signal.SIGKILL)
                run.killed, due = True, None
                continue
            line = process.stdout.readline()
            if not line:
                break
            due = heard(run, line, kill, due)
        run.code = process.wait(30)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    return run


def heard(run: Run, line: str, kill: Kill | None, due: float | None) -> float | None:
    """Take in one line of output; the instant at which to kill, once that is known."""
    if not line.startswith("{"):
        return due
    event = json.loads(line)
    if event["event"] == "started":
        run.pids |= event["pids"]
    elif event["event"] == "step":
        run.steps.append(event)
        if kill is not None and due is not None and event["step"] == kill.step:
            return 0.0
    elif event["event"] == "summary":
        run.summary = event
    elif event["event"] == "begin" and kill is not None and event["step"] == kill.step and not run.killed:
        return time.monotonic() + kill.after
    return due


def complete(run: Run) -> None:
    """Every step held."""
    told = [(step["step"], step["title"], step["detail"]) for step in run.steps if not step["ok"]]
    assert not told, told
    assert run.code == 0 and run.summary["ok"] is True
    assert [step["step"] for step in run.steps] == list(range(1, STEPS + 1))


def undone(rows: Iterable[tuple[str, str, str | None]]) -> list[tuple[str, str, str | None]]:
    """Of the effects that are not done, those that the story itself waits for.

    What an IdP's log told a moment before the end (somebody signed in) may still wait to be read: nothing of the
    story hangs on it, and the next start reads it.
    """
    return [row for row in rows if row[0] != NEWS_READ]
