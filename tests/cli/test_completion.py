"""Promises of shell completion, in the shells themselves: what is installed completes at the first TAB."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.terminal import at_terminal

PROGRAM = Path(sys.executable).parent / "scim-bridge"
# How each is begun so that it reads what was installed for it, as it does for a person.
SHELLS = {
    "bash": ["bash", "-i"],
    "zsh": ["zsh", "-i"],
    "fish": ["fish", "-i"],
}
# A noun, a verb of it, an option, one of the values of an option, and a verb that stands alone.
TYPED = {
    "peop": "people",
    "people li": "people list",
    "people list --at-r": "people list --at-risk",
    "agents list --output tab": "agents list --output table",
    "departures brake rel": "departures brake release",
    "overvi": "overview",
}
TAB, HOME, ENTER = "\t", "\x01", "\r"


def surroundings(home: Path) -> dict[str, str]:
    """A home of its own, and our program first on the path."""
    # A fish that finds this folder does not read every manual of the machine, for minutes, behind our back.
    (home / ".local/share/fish/generated_completions").mkdir(parents=True, exist_ok=True)
    path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    return {"HOME": str(home), "PATH": path, "TERM": "dumb", "LC_ALL": "C.UTF-8", "PS1": "$ "}


def wanted(shell: str) -> None:
    """Skip where there is no such shell, or our program is not installed."""
    if shutil.which(shell) is None or not PROGRAM.exists():
        pytest.skip(f"{shell} or the installed program is not here")


def installed(shell: str, environment: Mapping[str, str]) -> str:
    """What the shell is told by --install-completion, run in it."""
    done = subprocess.run(
        [shell, "-c", "scim-bridge --install-completion; true"],
        capture_output=True,
        text=True,
        env=dict(environment),
        timeout=120,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_the_first_tab_completes_nouns_verbs_options_and_their_values(shell: str, tmp_path: Path) -> None:
    wanted(shell)
    environment = surroundings(tmp_path)
    assert f"{shell} completion installed" in installed(shell, environment)
    with at_terminal(SHELLS[shell], environment) as terminal:
        terminal.type(f"echo rea''dy{ENTER}")
        terminal.wait("ready")
        for typed, completed in TYPED.items():
            # The line that stands there after the TAB is printed in place of being run.
            terminal.type(f"scim-bridge {typed}{TAB}")
            terminal.type(f"{HOME}echo 'go''t' {ENTER}")
            terminal.wait("got scim-bridge ")
            assert terminal.wait("\n").split() == completed.split(), typed


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_is_shown_and_is_one_that_shell_reads(shell: str, tmp_path: Path) -> None:
    wanted(shell)
    environment = surroundings(tmp_path)
    shown = subprocess.run(
        [shell, "-c", "scim-bridge --show-completion; true"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    ).stdout
    assert "_SCIM_BRIDGE_COMPLETE" in shown
    file = tmp_path / "script"
    file.write_text(shown)
    read = subprocess.run(
        [shell, "-n", str(file)], capture_output=True, text=True, env=environment, timeout=60
    )
    assert read.returncode == 0, read.stderr
