"""Bodies of a hundred megabytes, with their length, with another or without: refused unread, and the server goes on."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from tests.scim.bridge import Bridge, Client, Reply
from tests.scim.proving import refused, unharmed, user
from tests.scim.test_door_tester import serving

HUNDRED_MB = 100 * 1024 * 1024
CHUNK = 64 * 1024


class Flood:
    """A body without end that counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.taken < HUNDRED_MB:
            self.taken += CHUNK
            yield b"[" * CHUNK


async def flooded(
    bridge: Bridge, client: Client, method: str, path: str, **headers: str
) -> tuple[Reply, int]:
    """The answer to a body of 100 MB, and how much of it was read."""
    flood = Flood()
    sent = {"authorization": f"Bearer {client.token}", "content-type": "application/scim+json", **headers}
    scope = {
        "type": "http",
        "method": method,
        "path": f"/scim/v2{path}",
        "raw_path": f"/scim/v2{path}".encode(),
        "root_path": "/scim/v2",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
    }
    chunks, told = flood.__aiter__(), []

    async def receive() -> dict[str, Any]:
        return {
            "type": "http.request",
            "body": await anext(chunks, b""),
            "more_body": flood.taken < HUNDRED_MB,
        }

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    await bridge.app(scope, receive, send)
    head = {name.decode(): value.decode() for name, value in told[0]["headers"]}
    return Reply(told[0]["status"], b"".join(each["body"] for each in told[1:]), head), flood.taken


@pytest.mark.parametrize("declared", [None, "104857600", "17", "-1", "nonsense"])
def test_a_body_of_a_hundred_megabytes_is_not_read(sqlite_door, declared: str | None) -> None:
    """B-08: with its true length, with a lie, without any."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")

        async def attack(maria: str, crew: str) -> None:
            said = {} if declared is None else {"content-length": declared}
            for method, path in (
                ("POST", "/Users"),
                ("PUT", maria),
                ("PATCH", crew),
                ("POST", "/Bulk"),
                ("POST", "/.search"),
            ):
                answer, taken = await flooded(bridge, client, method, path, **said)
                refused(answer, 413)
                assert taken == 0 if declared == "104857600" else taken <= 1024 * 1024 + 2 * CHUNK

        await unharmed(bridge, client, attack)

    sqlite_door(body)


def sent_raw(base: str, token: str, length: str, pieces: Iterable[bytes], *, ends: bool = False) -> bytes:
    """What a server answers on a socket to a body pushed into it; `ends` closes our side before it is whole."""
    host, port = base.removeprefix("http://").split("/")[0].split(":")
    head = f"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json"
    answer = b""
    with socket.create_connection((host, int(port)), timeout=20) as wire:
        wire.sendall(f"{head}\r\n{length}\r\n\r\n".encode())
        try:
            for piece in pieces:
                wire.sendall(piece)
            if ends:
                wire.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has had enough
        try:
            while more := wire.recv(CHUNK):
                answer += more
        except OSError:
            pass
    return answer


def chunked(total: int) -> Iterable[bytes]:
    """A chunked body of so many bytes."""
    for _ in range(total // CHUNK):
        yield b"%x\r\n%s\r\n" % (CHUNK, b"[" * CHUNK)
    yield b"0\r\n\r\n"


def test_a_server_on_a_socket_refuses_floods_and_lies_and_goes_on(sqlite_url: str) -> None:
    """B-08, over HTTP: chunked without a length, 100 MB declared, and a length that is not kept."""
    with serving(sqlite_url, "generic", {}) as (base, token):
        for length, pieces in (
            ("Transfer-Encoding: chunked", chunked(HUNDRED_MB)),
            (f"Content-Length: {HUNDRED_MB}", [b"["]),
            ("Content-Length: 99999999999999999999", [b"["]),
        ):
            answer = sent_raw(base, token, length, pieces)
            assert answer.split(b" ")[1:2] in ([b"400"], [b"413"]), (length, answer[:200])
        ended = sent_raw(base, token, "Content-Length: 5000", [b'{"userName":"half"'], ends=True)
        assert b" 201 " not in ended.split(b"\r\n")[0]
        fine = json.dumps(user("whole")).encode()
        assert b" 201 " in sent_raw(base, token, f"Content-Length: {len(fine)}\r\nConnection: close", [fine])
