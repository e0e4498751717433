"""dev.py passes signals on, waits for what it started, and ends with 128 + the signal's number."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.story.lasting import PATIENCE, ROOT, gone


def test_what_dev_py_is_told_reaches_the_demo_and_nothing_runs_on(
    dev: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = dev("demo", "--once", "--output", "jsonl", "--data", str(tmp_path / "demo"))
    assert process.stdout is not None
    pids = next(
        list(event["pids"].values())
        for event in map(json.loads, process.stdout)
        if event["event"] == "started"
    )
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(PATIENCE) == 143
    assert gone(pids)


def test_a_command_dev_py_waits_for_is_told_too_and_waited_for(
    dev: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    child = (
        "import os, signal, sys, time\n"
        "def end(*_):\n    print('cleaning up', flush=True)\n    sys.exit(5)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print(os.getpid(), flush=True)\n"
        "time.sleep(600)\n"
    )
    starter = f"import sys, dev; dev.call([sys.executable, '-c', {child!r}])"
    process = dev(code=starter)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGTERM)
    assert process.stdout.readline() == "cleaning up\n"
    assert process.wait(PATIENCE) == 143
    assert gone([pid])


@pytest.fixture
def dev() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start dev.py with arguments, or `code` beside it, in the environment these tests run in."""
    started: list[subprocess.Popen[str]] = []
    # The tests' own interpreter is the one of the virtual environment: nothing is installed here.
    skip = "import sys, dev; from pathlib import Path; dev.PYTHON = Path(sys.executable)"
    skip += "; dev.make_venv = dev.install = lambda *_: None; sys.argv = ['dev.py', *sys.argv[1:]]"

    def start(*arguments: str, code: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code or f"{skip}; sys.exit(dev.main())", *arguments]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
