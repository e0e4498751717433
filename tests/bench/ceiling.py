"""How fast the client itself is, so that nobody takes its limit for a server's."""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.client import forever, request
from tests.bench.compare import Load, Pace, in_turn
from tests.bench.machine import on_server_core
from tests.bench.servers import Running

BODY = b'{"message":"' + b"x" * 1000 + b'"}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY


class _Same(asyncio.Protocol):
    """Answers whatever comes with the same bytes: a server that costs next to nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(ANSWER)  # type: ignore[attr-defined]


def _serve(listener: socket.socket) -> None:
    import uvloop

    on_server_core()

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(_Same, sock=listener)
        await server.serve_forever()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


@contextmanager
def _cheapest() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        port = listener.getsockname()[1]
        server = multiprocessing.get_context("fork").Process(target=_serve, args=(listener,), daemon=True)
        server.start()
    try:
        yield port
    finally:
        server.kill()
        server.join()


def ceiling(hello: Running, pace: Pace) -> tuple[float, float]:
    """Requests a second the client can send at most, and those hello answers."""
    wanted = request("GET", "/")
    with _cheapest() as port:
        client, served = in_turn(
            [
                Load("the client itself", port, lambda: forever([wanted])),
                Load("hello", hello.port, lambda: forever([wanted])),
            ],
            pace,
        )
    return client.rate, served.rate
