"""`python -m tests.forking SOCKET`: a process that has loaded the program, and forks whoever asks for it.

The tests need dozens of servers, workers and commands, which are processes of their own because they are
killed, or are alone with their folder and environment. Loading the program takes each of them up to three seconds of
a core: here it is loaded once. What comes of it is a process like any other: its own arguments, environment, folder,
standard streams, signals and end. tests/cli/test_forked.py holds it to that.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from scim_bridge.cli.story.ending import exit_code_of

LOADED = (
    "scim_bridge.cli.run",
    "scim_bridge.cli.serve",
    "scim_bridge.server",
    "scim_bridge.kernel.engine",
    "scim_bridge.sync.service",
    "scim_bridge.sync.idp.okta.adapter",
    "scim_bridge.sync.idp.entra.adapter",
    "uvloop",
    "pydantic.type_adapter",
    # Workers of the tests are made of what the tests are.
    "tests.conftest",
)
LARGEST = 1 << 20


def serve(path: Path) -> None:
    """Fork until somebody ends this process. Each asks on a connection of its own and hears its exit code there."""
    for name in LOADED:
        import_module(name)
    # What is loaded stays: no child need look through it, which would also copy it.
    gc.collect()
    gc.freeze()
    heard, hear = os.pipe()
    os.set_blocking(hear, False)
    os.set_blocking(heard, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(hear, warn_on_full_buffer=False)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path.with_suffix(".new")))
        listener.listen(64)
        # Whoever finds it may connect at once.
        path.with_suffix(".new").rename(path)
        children: dict[int, socket.socket] = {}
        while True:
            ready, _, _ = select.select([listener, heard], [], [])
            if heard in ready:
                with suppress(BlockingIOError):
                    os.read(heard, 4096)
                _tell_ends(children)
            if listener in ready:
                asking, _ = listener.accept()
                _start(asking, children)


def _start(asking: socket.socket, children: dict[int, socket.socket]) -> None:
    data, streams, _, _ = socket.recv_fds(asking, LARGEST, 3)
    while not data.endswith(b"\n"):
        more = asking.recv(LARGEST)
        if not more:
            asking.close()
            return
        data += more
    child = os.fork()
    if child == 0:
        _be(json.loads(data), streams)
    for stream in streams:
        os.close(stream)
    children[child] = asking
    with suppress(OSError):
        asking.sendall(f"{child}\n".encode())


def _tell_ends(children: dict[int, socket.socket]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with children.pop(pid) as asking, suppress(OSError):
            asking.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _be(asked: dict[str, Any], streams: list[int]) -> None:
    """Be that process; never returns."""

    def process() -> int:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for ours, theirs in enumerate(streams):
            os.dup2(theirs, ours)
        os.closerange(3, 4096)
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.argv = [asked["module"], *asked["arguments"]]
        runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)
        return 0

    code = 1
    try:
        code = exit_code_of(process)
    finally:
        # Whatever breaks, a child never goes on as the one that forks.
        os._exit(code)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
