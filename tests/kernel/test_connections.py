"""Promises of a connection: who sends slowly, endlessly or half a request is refused, and others never notice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from scim_bridge.cli.serve import OPTIONS
from scim_bridge.cli.wire import refused
from scim_bridge.kernel.connection import Connection, Limits
from tests.effort import calls

QUICK = Limits(head=0.1, body=0.2, head_bytes=4096, look=0.02)
Talk = Callable[["Line"], Awaitable[None]]


class Line:
    """A client's end of a connection to a server that echoes bodies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, text: str | bytes) -> None:
        """Send bytes as they stand."""
        self.writer.write(text.encode() if isinstance(text, str) else text)
        await self.writer.drain()

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        async with asyncio.timeout(10):
            return await self.reader.read()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            return int(head[9:12]), await self.reader.readexactly(length)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the method and the body; /eager before reading it."""
    body, more = b"", scope["path"] != "/eager"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    told = scope["method"].encode() + b" " + body
    if scope["path"] == "/long":
        told = b"x" * 20_000_000
    headers = [(b"content-length", b"%d" % len(told))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": told})


def served(*talks: Talk, limits: Limits = QUICK) -> None:
    """Hold these conversations, all at the same time, with a real server."""

    async def main() -> None:
        made = partial(Connection, limits=limits, refused=refused)
        config = uvicorn.Config(echo, port=0, lifespan="off", **{**OPTIONS, "http": made})
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]

        async def hold(talk: Talk) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await talk(Line(reader, writer))
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

        await asyncio.gather(*(hold(talk) for talk in talks))
        server.should_exit = True
        await server.shutdown()

    asyncio.run(main())


def told(raw: bytes) -> tuple[int, dict[str, Any]]:
    """Status and body of a refusal that ends a connection."""
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head[9:12]), orjson.loads(body)


def test_who_says_nothing_or_half_a_request_is_let_go_in_time() -> None:
    async def silent(line: Line) -> None:
        assert await line.rest() == b"", "nothing was asked, nothing is answered"

    async def half_a_head(line: Line) -> None:
        await line.say("GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\nA")
        status, body = told(await line.rest())
        assert (status, body["status"]) == (408, "408")
        assert body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]

    async def half_a_second_head(line: Line) -> None:
        await line.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await line.answer())[0] == 200
        await line.say("GET /a")
        assert told(await line.rest())[0] == 408

    async def half_a_body(line: Line) -> None:
        await line.say("POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\na")
        status, body = told(await line.rest())
        assert (status, body["code"]) == (408, "too-slow")

    async def a_chunk_that_never_comes(line: Line) -> None:
        await line.say("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nab")
        assert told(await line.rest())[0] == 408

    async def drops(line: Line) -> None:
        await line.say("POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n")
        ended = asyncio.ensure_future(line.rest())
        with suppress(ConnectionError):
            # Each byte gives no more time.
            while not ended.done():
                await line.say("a")
                await asyncio.wait([ended], timeout=0.01)
            assert told(await ended)[0] == 408
        await asyncio.wait([ended])
        assert not isinstance(ended.exception(), TimeoutError)

    async def body_after_the_answer(line: Line) -> None:
        await line.say("POST /eager HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\na")
        assert (await line.answer())[0] == 200
        await line.say("b")
        assert await line.rest() == b""

    async def reads_nothing(line: Line) -> None:
        await line.say("GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
        line.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(1)
        line.reader._transport.resume_reading()  # type: ignore[attr-defined]
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await line.answer()

    served(
        silent,
        half_a_head,
        half_a_second_head,
        half_a_body,
        a_chunk_that_never_comes,
        drops,
        body_after_the_answer,
        reads_nothing,
    )


def test_headers_have_a_limit_all_together_and_each_alone() -> None:
    async def one_long(line: Line) -> None:
        await line.say("GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\nA: " + "a" * 5000 + "\r\n\r\n")
        status, body = told(await line.rest())
        assert (status, body["status"]) == (431, "431")

    async def many(line: Line) -> None:
        await line.say("GET / HTTP/1.1\r\nHost: x\r\n")
        # At once: what comes after the refusal would reset the connection, and with it the refusal.
        await line.say("".join(f"A{number}: b\r\n" for number in range(1000)))
        assert told(await line.rest())[1]["code"] == "headers-too-large"

    async def just_right(line: Line) -> None:
        head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\nA: " + "a" * 3900 + "\r\n\r\n"
        for _ in range(2):
            await line.say(head + "b" * 90_000)
            status, body = await line.answer()
            assert (status, len(body)) == (200, 90_005), "a body is no header"

    async def slowly_right(line: Line) -> None:
        await line.say("GET / HTTP/1.1\r\nHost: x\r\nA: " + "a" * 2000)
        await line.say("a" * 1000 + "\r\n\r\n")
        assert (await line.answer())[0] == 200

    served(one_long, many, just_right, slowly_right)


def test_an_address_too_long_a_missing_host_and_what_is_no_http_are_refused_in_the_language_of_the_door() -> (
    None
):
    async def long(line: Line) -> None:
        await line.say("GET /scim/v2/Users?filter=" + "a" * 100_000 + " HTTP/1.1\r\nHost: x\r\n\r\n")
        status, body = told(await line.rest())
        assert (status, body["status"]) == (414, "414")

    async def no_host(line: Line) -> None:
        await line.say("GET /scim/v2/Users HTTP/1.1\r\n\r\n")
        status, body = told(await line.rest())
        assert (status, body["status"]) == (400, "400")

    async def two_hosts(line: Line) -> None:
        await line.say("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert told(await line.rest())[1]["code"] == "host"

    async def old(line: Line) -> None:
        await line.say("GET / HTTP/1.0\r\n\r\n")
        assert (await line.answer())[0] == 200

    async def noise(line: Line) -> None:
        await line.say("\x16\x03\x01 hello\r\n\r\n")
        assert told(await line.rest())[0] == 400

    served(long, no_host, two_hosts, old, noise, limits=Limits(head=5, body=5))


def test_a_wish_for_another_protocol_is_passed_over_body_and_all(caplog: pytest.LogCaptureFixture) -> None:
    async def http2(line: Line) -> None:
        for body in ("hello", "again"):
            await line.say(
                "POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                f"HTTP2-Settings: AAE\r\nContent-Length: 5\r\n\r\n{body}"
            )
            assert await line.answer() == (200, b"POST " + body.encode())

    async def in_pieces(line: Line) -> None:
        await line.say("POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
        await line.say("Content-Length: 5\r\n\r\nhe")
        await line.say("llo")
        assert await line.answer() == (200, b"POST hello")

    with caplog.at_level("DEBUG"):
        served(http2, in_pieces, limits=Limits())
    assert "pip install" not in caplog.text


def test_a_slow_server_is_nobodys_fault_and_pipelined_requests_are_answered_in_order() -> None:
    async def patient(line: Line) -> None:
        await line.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na" * 20)
        for _ in range(20):
            assert await line.answer() == (200, b"POST a")
        await asyncio.sleep(0.5)
        await line.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await line.answer())[0] == 200, "between two requests a connection may rest"

    served(patient)


class Nowhere(asyncio.Transport):
    """A transport whose bytes go nowhere, so that only the protocol's own work is counted."""

    def write(self, data: Any) -> None:
        """Forget it."""

    def close(self) -> None:
        """Nothing to close."""

    def is_closing(self) -> bool:
        """Never."""
        return False


HEAD = "".join(f"X-Header-{number}: {'v' * 20}\r\n" for number in range(8))


def work(made: Any) -> int:
    """How many calls 100 requests of an ordinary client take."""

    async def requests() -> None:
        config = uvicorn.Config(echo, lifespan="off", **{**OPTIONS, "http": made})
        config.load()
        protocol: Any = made(config, ServerState(), {})
        protocol.connection_made(Nowhere())
        for _ in range(100):
            protocol.data_received(f"GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\n{HEAD}\r\n".encode())
            await asyncio.gather(*protocol.tasks)
        protocol.connection_lost(None)

    with asyncio.Runner() as runner:
        runner.run(asyncio.sleep(0))
        return calls(lambda: runner.run(requests()))


def test_the_limits_cost_an_ordinary_request_next_to_nothing() -> None:
    ours = partial(Connection, limits=Limits(), refused=refused)
    work(HttpToolsProtocol)
    plain, limited = work(HttpToolsProtocol), work(ours)
    assert limited <= plain * 1.08, (plain, limited)
