"""A server that is told to end finishes what it is answering, takes nothing new, and then ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import Any

import pytest
import uvicorn

from scim_bridge.cli.serve import OPTIONS, _listen, _serve_all
from scim_bridge.kernel.parent import until_parent_exits


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_being_answered_is_finished_and_nothing_new_is_taken(number: int) -> None:
    async def main() -> bytes:
        begun, go_on, stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def slow(_scope: Any, _receive: Any, send: Any) -> None:
            begun.set()
            await go_on.wait()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
            await send({"type": "http.response.body", "body": b"whole"})

        listener: socket.socket = _listen("127.0.0.1", 0)
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(slow, lifespan="off", **OPTIONS))
        shut_down = server.shutdown

        async def told(sockets: list[socket.socket] | None = None) -> None:
            stopping.set()
            await shut_down(sockets=sockets)

        server.shutdown = told  # type: ignore[method-assign]
        serving = asyncio.create_task(_serve_all([server], [listener], False, until_parent_exits))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await begun.wait()
        os.kill(os.getpid(), number)
        await stopping.wait()
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)
        go_on.set()
        answer = await reader.read()
        writer.close()
        await serving
        listener.close()
        return answer

    async def in_time() -> bytes:
        async with asyncio.timeout(20):
            return await main()

    answer = asyncio.run(in_time())
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"whole")
