"""A demo that keeps running until somebody, or something, ends it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300.0


class Demo:
    """A demo that keeps running, as its events tell it."""

    def __init__(self, directory: Path, *options: str) -> None:
        command = [sys.executable, "-m", "scim_bridge", "demo", "--data", str(directory), "--output", "jsonl"]
        self.log = directory.with_name("demo-errors.log")
        with self.log.open("wb") as errors:
            self.process = subprocess.Popen(
                [*command, *options], stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT
            )
        self.events: list[dict[str, Any]] = []

    def until(self, name: str) -> dict[str, Any]:
        """Read on to an event of this name."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == name:
                return self.events[-1]
        raise AssertionError(f"it ended before {name}: {self.events} {self.log.read_text()}")

    def ended(self) -> tuple[int, str]:
        """Its exit code and what it said on standard error."""
        code = self.process.wait(PATIENCE)
        return code, self.log.read_text()


@contextmanager
def running(directory: Path, *options: str) -> Iterator[Demo]:
    """A demo that is killed at the latest when the test is over."""
    demo = Demo(directory, *options)
    try:
        yield demo
    finally:
        demo.process.kill()
        demo.process.wait()
        assert demo.process.stdout is not None
        demo.process.stdout.close()


def gone(pids: list[int]) -> bool:
    """True once none of these processes is left."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() and not _zombie(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _zombie(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    return True
