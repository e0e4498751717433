"""Several real `scim-bridge serve` processes on one PostgreSQL database, and a way to speak to them."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.forked import Forked

# The master key of the tests, under which their tokens are made (tests/conftest.py).
SECRET = "test master key, thirty-two bytes or more"
START = 300.0

Started = tuple[Forked, int, Path]


@contextmanager
def serving(url: str, folder: Path, number: int, forking: Path) -> Iterator[list[str]]:
    """The SCIM base URLs of so many server processes, once all of them answer; ended with the block."""
    started: list[Started] = []
    try:
        for each in range(number):
            started.append(_start(url, folder / f"{each}.log", forking))
        deadline = time.monotonic() + START
        for process, port, log in started:
            _await(process, port, log, deadline)
        yield [f"http://127.0.0.1:{port}/scim/v2" for _, port, _ in started]
    finally:
        for process, _, _ in started:
            process.terminate()
        for process, _, _ in started:
            _ended(process)


def _start(url: str, log: Path, forking: Path) -> Started:
    port = _free_port()
    settings = {
        "SCIM_BRIDGE_DATABASE_URL": url,
        "SCIM_BRIDGE_SECRET_KEY": SECRET,
        "SCIM_BRIDGE_LOG_LEVEL": "warning",
    }
    with log.open("wb") as told:
        process = Forked(
            forking,
            "scim_bridge",
            ["serve", "--port", str(port)],
            env={**os.environ, **settings},
            stdout=told,
            stderr=told,
        )
    return process, port, log


def _ended(process: Forked) -> None:
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(process: Forked, port: int, log: Path, deadline: float) -> None:
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"a server did not start: {log.read_text()[-2000:]}") from error
            time.sleep(0.02)
