"""The servers under load, each a process of its own on 127.0.0.1: hello, the bridge, and the peers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.bench.machine import on_server_core

SECRET = "benchmarks 0123456789 abcdefghijklmnop"
START = 60.0
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers. `started` is how many seconds after exec it gave its first answer."""

    name: str
    port: int
    pid: int
    started: float

    def memory(self) -> int:
        """Resident memory of the process in bytes."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """The most memory that was resident since `forget_peak`, in bytes."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        """Begin a new peak at what is resident now."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        return 0


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(
    name: str,
    command: Sequence[str],
    port: int,
    path: str,
    env: Mapping[str, str] | None = None,
    *,
    folder: Path = REPOSITORY,
    start: float = START,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Run a command until it answers at `path`, with 200 when `headers` are given; end it afterwards."""
    began = time.perf_counter()
    # A file: a pipe nobody reads is full after a thousand lines, and then the server stands still.
    with tempfile.TemporaryFile() as errors:
        started = subprocess.Popen(
            command,
            env={**os.environ, **(env or {})},
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            preexec_fn=on_server_core,
        )
        try:
            _await(name, started, errors, port, path, began + start, headers)
            yield Running(name, port, started.pid, time.perf_counter() - began)
        finally:
            started.terminate()
            try:
                started.wait(timeout=20)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def _await(
    name: str,
    started: subprocess.Popen[bytes],
    errors: IO[bytes],
    port: int,
    path: str,
    deadline: float,
    headers: Mapping[str, str] | None,
) -> None:
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=dict(headers or {}))
    while True:
        if started.poll() is not None:
            errors.seek(0)
            told = errors.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{name} did not start: {told}")
        if time.perf_counter() > deadline:
            raise RuntimeError(f"{name} did not answer in time")
        try:
            urllib.request.urlopen(asked, timeout=5).close()
            return
        except urllib.error.HTTPError as answer:
            answer.close()
            if headers is None:
                return
            raise RuntimeError(f"{name} answered {answer.code} at {path}") from answer
        except OSError:
            time.sleep(0.005)


@contextmanager
def asgi(
    name: str, app: str, path: str, env: Mapping[str, str] | None = None, start: float = START
) -> Iterator[Running]:
    """Serve an ASGI application exactly as the bridge is served."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.serve", app, str(port)]
    with process(name, command, port, path, env, start=start) as running:
        yield running


@contextmanager
def hello() -> Iterator[Running]:
    """A Starlette route that returns one kilobyte."""
    with asgi("hello", "tests.bench.hello:app", "/") as running:
        yield running


def environment(database_url: str) -> dict[str, str]:
    """The bridge's settings in a benchmark."""
    return {
        "SCIM_BRIDGE_DATABASE_URL": database_url,
        "SCIM_BRIDGE_SECRET_KEY": SECRET,
        "SCIM_BRIDGE_LOG_LEVEL": "warning",
        # One connection sends all of the load here, and a limit is not what is measured.
        "SCIM_BRIDGE_SCIM__RATE_LIMIT": "1000000",
    }


@contextmanager
def bridge(database_url: str, settings: Mapping[str, str] | None = None) -> Iterator[Running]:
    """`scim-bridge serve` on a database, with its worker, as an admin would start it."""
    env = {**environment(database_url), **(settings or {})}
    port = free_port()
    command = [sys.executable, "-m", "scim_bridge", "serve", "--port", str(port)]
    with process("scim-bridge", command, port, "/healthz", env) as running:
        yield running
