"""A real HTTP receiver on 127.0.0.1 that keeps what it got: the other side of our outward calls."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Answering = Callable[[str, int], tuple[int, dict[str, str]]]
"""Path and how many calls came before with the same webhook-id: status and headers to answer."""


@dataclass
class Receiver:
    """What was received: path, headers and body of every call, in order."""

    url: str
    calls: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answer: Answering = lambda _path, _before: (204, {})

    def bodies(self, path: str) -> list[Any]:
        """The JSON bodies that came to a path."""
        return [orjson.loads(body) for where, _, body in self.calls if where == path]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that runs in a thread of its own until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    receiver = Receiver(f"http://127.0.0.1:{listener.getsockname()[1]}")

    async def take(request: Request) -> Response:
        path, headers = request.url.path, dict(request.headers)
        event = headers.get("webhook-id")
        before = sum(seen.get("webhook-id") == event for _, seen, _ in receiver.calls)
        receiver.calls.append((path, headers, await request.body()))
        status, more = receiver.answer(path, before)
        return Response(status_code=status, headers=more)

    app = Starlette(routes=[Route("/{path:path}", take, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
