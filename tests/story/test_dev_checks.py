"""Promises of `dev.py test`: what runs beside the tests is told after them, and fails the command as they do."""

from __future__ import annotations

import subprocess
import sys

from tests.story.lasting import ROOT

# The tests' own interpreter is the one of the virtual environment: nothing is installed here.
PREPARED = (
    "import sys, dev; from pathlib import Path; dev.PYTHON = Path(sys.executable);"
    " dev.make_venv = dev.install = lambda *_: None; dev.QUICK = {{}};"
    " dev.SPREAD = ['--version']; dev.SLOW = {{'types': ['-c', {check!r}]}}; sys.exit(dev.test([]))"
)


def checked(check: str) -> subprocess.CompletedProcess[str]:
    """The command with one other check beside pytest, which only tells its version."""
    code = PREPARED.format(check=check)
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_check_that_fails_beside_the_tests_fails_the_command_and_is_told_after_them() -> None:
    done = checked("print('a wrong type'); raise SystemExit(3)")
    assert done.returncode == 3 and "types failed" in done.stderr
    assert done.stdout.index("== pytest") < done.stdout.index("== types") < done.stdout.index("a wrong type")


def test_when_everything_passes_so_does_the_command() -> None:
    done = checked("print('all well')")
    assert (done.returncode, done.stderr.count("failed")) == (0, 0) and "all well" in done.stdout
