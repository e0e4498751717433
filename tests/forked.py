"""A process that is forked from one which has loaded the program (tests/forking.py), handled as a started one.

Only the standard library is used here: `python -SE tests/forked.py SOCKET MODULE ARGUMENTS` is a command that costs
nothing but what it does.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

NOBODY = "the process that forks for the tests ended"


class Forked:
    """What `subprocess.Popen([sys.executable, "-m", module, *arguments])` is: its methods mean the same.

    `stdin` may be `subprocess.PIPE`; the other streams are files, or this process's own.
    """

    def __init__(
        self,
        forking: Path,
        module: str,
        arguments: Sequence[str] = (),
        *,
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: IO[bytes] | None = None,
        stderr: IO[bytes] | None = None,
    ) -> None:
        self.returncode: int | None = None
        self.stdin: IO[bytes] | None = None
        given, ours = 0, None
        if stdin == subprocess.PIPE:
            given, end = os.pipe()
            ours, self.stdin = given, os.fdopen(end, "wb")
        asked = {
            "module": module,
            "arguments": list(arguments),
            "environment": dict(os.environ if env is None else env),
            "folder": os.getcwd(),
        }
        streams = [given, 1 if stdout is None else stdout.fileno(), 2 if stderr is None else stderr.fileno()]
        self._talk = socket.socket(socket.AF_UNIX)
        self._talk.connect(str(forking))
        try:
            data = json.dumps(asked).encode() + b"\n"
            sent = socket.send_fds(self._talk, [data], streams)
            self._talk.sendall(data[sent:])
            self._said = self._talk.makefile("rb", buffering=0)
            self.pid = int(self._line())
        finally:
            if ours is not None:
                os.close(ours)

    def _line(self) -> bytes:
        line = self._said.readline()
        if not line:
            raise ConnectionError(NOBODY)
        return line

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code (minus the signal that killed it); subprocess.TimeoutExpired when it runs on."""
        if self.returncode is None:
            if not select.select([self._talk], [], [], timeout)[0]:
                assert timeout is not None
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            self.returncode = int(self._line())
            self._said.close()
            self._talk.close()
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)


def process(
    forking: Path | None,
    module: str,
    arguments: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: int | None = None,
    stdout: IO[bytes] | None = None,
    stderr: IO[bytes] | None = None,
) -> Forked | subprocess.Popen[bytes]:
    """A process of a module: forked where somebody forks, else started (by hand, there is nobody)."""
    if forking is not None:
        return Forked(forking, module, arguments, env=env, stdin=stdin, stdout=stdout, stderr=stderr)
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, env=env, stdin=stdin, stdout=stdout, stderr=stderr)


if __name__ == "__main__":
    raise SystemExit(Forked(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]).wait())
