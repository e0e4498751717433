"""The story's commands, each in a process of its own that is forked from one which has loaded the program.

A command that starts from nothing takes most of a second to load what it needs (two, where it talks to an IdP), and
the story gives more than forty. So what one had to load is loaded once more by the process that forks them, while
the story goes on: the next of its kind finds it. `python -m scim_bridge.cli.story.hand` reads one request a line,
until its input ends.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import orjson

from scim_bridge.cli.story.ending import exit_code_of

# What nearly every command needs; the rest is known once a command has used it.
LOADED = ("scim_bridge.cli.run", "scim_bridge.cli.session", "scim_bridge.app", "scim_bridge.sync.service")
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


class Hand:
    """Runs commands of the command line, one after the other; `close` it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, arguments: list[str], environment: dict[str, str]) -> Said:
        """Run `scim-bridge ARGUMENTS` with this environment and nothing else; TimeoutError after five minutes."""
        if not hasattr(os, "fork"):
            return _alone(arguments, environment)
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-m", __spec__.name]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        talk = self._process
        assert talk.stdin is not None and talk.stdout is not None
        talk.stdin.write(orjson.dumps({"arguments": arguments, "environment": environment}) + b"\n")
        talk.stdin.flush()
        if not select.select([talk.stdout], [], [], PATIENCE)[0]:
            self.close()
            raise TimeoutError(f"scim-bridge {' '.join(arguments[:3])} did not end within {PATIENCE:.0f} s")
        line = talk.stdout.readline()
        if not line:
            raise ConnectionError("The process that runs the commands of the demo ended.")
        return Said(**orjson.loads(line))

    def close(self) -> None:
        """End the process; a command that runs goes on to its end, as in a shell that is closed."""
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
            self._process.terminate()
            self._process.wait()
            self._process = None


def _alone(arguments: list[str], environment: dict[str, str]) -> Said:
    command = [sys.executable, "-m", "scim_bridge", *arguments]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=PATIENCE, check=False)
    return Said(
        done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )


def _forked(request: dict[str, Any]) -> tuple[Said, list[str]]:
    """One command in a child of this process; the modules it had to load, too."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as loaded:
        child = os.fork()
        if child == 0:
            _command(request, out.fileno(), err.fileno(), loaded.fileno())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        told = []
        for file in (out, err, loaded):
            file.seek(0)
            told.append(file.read().decode("utf-8", "replace"))
    return Said(code, told[0], told[1]), told[2].split()


def _command(request: dict[str, Any], out: int, err: int, loaded: int) -> None:
    """Be that command; never returns."""
    from scim_bridge.__main__ import main

    known = set(sys.modules)

    def command() -> int:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        empty = os.open(os.devnull, os.O_RDONLY)
        for ours, theirs in ((empty, 0), (out, 1), (err, 2)):
            os.dup2(ours, theirs)
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = ["scim-bridge", *request["arguments"]]
        return main(request["arguments"])

    code = 1
    try:
        code = exit_code_of(command)
        with suppress(OSError):
            os.write(loaded, "\n".join(name for name in sys.modules if name not in known).encode())
    finally:
        # Whatever breaks, a child never goes on as the one that forks.
        os._exit(code)


def _load(names: Iterable[str]) -> None:
    """Load modules in the order in which a command did. What cannot be is the next command's to tell."""
    for name in names:
        with suppress(Exception):
            import_module(name)


def serve() -> None:
    """Answer requests until the input ends. Ctrl-C is for whoever asks: it goes to every process of a terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in LOADED:
        import_module(name)
    for line in sys.stdin.buffer:
        said, loaded = _forked(orjson.loads(line))
        sys.stdout.buffer.write(orjson.dumps({"code": said.code, "out": said.out, "err": said.err}) + b"\n")
        sys.stdout.buffer.flush()
        _load(loaded)


if __name__ == "__main__":
    serve()
