"""A server in a thread of this process, until a block ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from socket import socket
from typing import Any

import uvicorn

Serve = Callable[[Any], Awaitable[None]]
# So long a furnished house may take to open on a busy machine.
PATIENCE = 300


@contextmanager
def in_thread(
    listener: socket, main: Callable[[Serve], Awaitable[None]], problems: list[str]
) -> Iterator[None]:
    """Run `main`, which gets ready and then serves an app on the listener; what breaks is told in `problems`."""
    ready, doors = threading.Event(), list[uvicorn.Server]()

    async def serve(app: Any) -> None:
        options: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off"}
        doors.append(uvicorn.Server(uvicorn.Config(app, **options)))
        ready.set()
        await doors[0].serve(sockets=[listener])

    async def whole() -> None:
        await main(serve)

    def run() -> None:
        try:
            asyncio.run(whole())
        except BaseException as error:
            problems.append(repr(error))
            ready.set()
            raise

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE) and not problems, problems
    try:
        yield
    finally:
        for one in doors:
            one.should_exit = True
        thread.join(30)
        listener.close()
