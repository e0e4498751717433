"""Doing what a page says, to the letter: its shell blocks in one shell, in a folder like a fresh clone.

Only ports are changed (others may be in use), and what runs in a terminal of its own runs beside. Commands that end
by themselves are forked from a process that has loaded the program: a page has dozens.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORT = re.compile(r"\b(?:8080|8443|9443|9444|9446)\b")
OWN_TERMINAL = re.compile(r"(?:\.venv/bin/)?[\w-]+ (?:serve|sandbox) ?.*|(?:\.venv/bin/)?[\w-]+ serve")
PATIENCE = 300

HEAD = """
shopt -s expand_aliases
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
trap 'echo "$?: $BASH_COMMAND" >> failed' ERR
listening() { until grep -q '"ready"\\|server.started' "$1"; do kill -0 $! || return 1; sleep 0.1; done; }
"""
COMMAND = """#!/bin/sh
case "$1" in
  serve|sandbox) exec "{python}" -m scim_bridge "$@";;
  *) exec "{python}" -IS "{forked}" "{forking}" scim_bridge "$@";;
esac
"""


@dataclass(frozen=True, slots=True)
class Followed:
    """What came of it: everything printed, and the commands that did not end with 0, with their codes."""

    output: str
    failed: list[str]


def script(page: Path) -> str:
    """The page's shell blocks as one script."""
    ports: dict[str, str] = {}
    with ExitStack() as stack:

        def moved(match: re.Match[str]) -> str:
            return ports.setdefault(match[0], _free(stack))

        text = PORT.sub(moved, "\n".join(BLOCK.findall(page.read_text())))
        http = ports.get("8080") or _free(stack)
    lines = [HEAD]
    for number, line in enumerate(text.splitlines()):
        if line.startswith("python3 dev.py"):
            continue
        if OWN_TERMINAL.fullmatch(line):
            more = f" --port {http}" if " serve" in line else ""
            lines += [f"{line}{more} > {number}.log 2>&1 &", f"listening {number}.log"]
        elif "receipts verify" in line:
            lines += [
                "until bridge departures list --state closed -o csv | grep -q '@'; do sleep 0.1; done",
                line,
            ]
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def follow(page: Path, folder: Path, forking: Path) -> Followed:
    """Run a page's script in a folder that looks like a clone after `dev.py setup`."""
    command = folder / ".venv" / "bin" / "scim-bridge"
    command.parent.mkdir(parents=True)
    forked = ROOT / "tests" / "forked.py"
    command.write_text(COMMAND.format(python=sys.executable, forked=forked, forking=forking))
    command.chmod(0o755)
    (folder / "config").symlink_to(ROOT / "config")
    (folder / "page.sh").write_text(script(page))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SCIM_BRIDGE_")}
    shell = subprocess.Popen(
        ["bash", "page.sh"],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(ROOT), "PATH": f"{command.parent}:{clean['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = shell.communicate(timeout=PATIENCE)
    finally:
        # The shell's own group: whatever it started and left.
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
    failed = folder / "failed"
    return Followed(output, failed.read_text().splitlines() if failed.exists() else [])


def _free(stack: ExitStack) -> str:
    """A free port, different from those asked for before in the same stack."""
    probe = stack.enter_context(socket.socket())
    probe.bind(("127.0.0.1", 0))
    return str(probe.getsockname()[1])
