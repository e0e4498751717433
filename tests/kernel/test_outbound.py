"""Promises of the way out: no name, redirect or answer leads to a place that was not allowed."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scim_bridge.kernel.allow_list import AllowList
from scim_bridge.kernel.guarded_connections import GuardedBackend
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.outbound_error import OutboundError

METADATA = ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"]
INTERNAL = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "0.0.0.0", "::1", "fe80::1", "fc00::1"]


class _Peer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
            self.end_headers()
            return
        body = b"x" * (3_000_000 if self.path == "/huge" else 5)
        self.send_response(200)
        if self.path == "/gzip":
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def peer() -> Iterator[ThreadingHTTPServer]:
    """A plain HTTP server on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Peer)
    server.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def get(url: str, *, resolved: list[str] | None = None, **options: object):
    """One GET; the answer or the error."""

    async def main():
        async def resolver(_host: str, _port: int) -> list[str]:
            if resolved is None:
                raise socket.gaierror(socket.EAI_NONAME, "not known")
            return resolved

        outbound = Outbound(resolver=resolver, **options)  # type: ignore[arg-type]
        try:
            return await outbound.send("GET", url)
        except OutboundError as error:
            return error
        finally:
            await outbound.aclose()

    return asyncio.run(main())


@pytest.mark.parametrize("address", [*METADATA, *INTERNAL])
def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    found = get("https://innocent.example/", resolved=[address])
    assert isinstance(found, OutboundError) and found.code == "outbound-address"
    assert not found.transient


def test_one_inside_address_among_public_ones_refuses_the_name() -> None:
    found = get("https://innocent.example/", resolved=["93.184.216.34", "127.0.0.1"])
    assert isinstance(found, OutboundError) and found.code == "outbound-address"


@pytest.mark.parametrize(
    "url",
    ["ftp://x.example/", "https://user:pw@x.example/", "https:///nohost", "file:///etc/passwd", "nonsense"],
)
def test_addresses_that_are_no_web_addresses_are_refused(url: str) -> None:
    found = get(url, resolved=["93.184.216.34"])
    assert isinstance(found, OutboundError) and found.code == "outbound-url"


def test_plain_http_needs_permission() -> None:
    found = get("http://x.example/", resolved=["93.184.216.34"])
    assert isinstance(found, OutboundError) and found.code == "outbound-http"


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with peer() as server:
        port = server.server_port
        found = get(f"http://127.0.0.1:{port}/redirect", resolved=["127.0.0.1"], allow=["127.0.0.0/8"])
        assert found.status == 302
        assert server.seen == ["/redirect"]  # type: ignore[attr-defined]


def test_a_host_and_port_can_be_allowed_without_its_network() -> None:
    with peer() as server:
        port = server.server_port
        allowed = get(f"http://runtime.test:{port}/", resolved=["127.0.0.1"], allow=[f"runtime.test:{port}"])
        assert allowed.status == 200 and allowed.body == b"xxxxx"
        other = get(f"http://runtime.test:{port}/", resolved=["127.0.0.1"], allow=["runtime.test:1"])
        assert isinstance(other, OutboundError)


@pytest.mark.parametrize(("path", "code"), [("/huge", "outbound-too-large"), ("/gzip", "outbound-encoding")])
def test_an_answer_that_could_fill_memory_is_refused(path: str, code: str) -> None:
    with peer() as server:
        found = get(
            f"http://127.0.0.1:{server.server_port}{path}", resolved=["127.0.0.1"], allow=["127.0.0.0/8"]
        )
        assert isinstance(found, OutboundError) and found.code == code


def test_an_unknown_name_and_a_closed_port_say_which_it_was() -> None:
    unknown = get("https://nowhere.example/")
    assert isinstance(unknown, OutboundError) and unknown.code == "outbound-dns"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    closed = get(f"https://x.test:{port}/", resolved=["127.0.0.1"], allow=["127.0.0.0/8"])
    assert isinstance(closed, OutboundError) and closed.code == "outbound-connect" and closed.transient


@pytest.mark.parametrize(
    "address",
    [
        "100.100.100.200",  # Alibaba's metadata
        "168.63.129.16",  # Azure's wire server: public by its number only
        "169.254.170.2",  # credentials of ECS tasks
        "192.0.0.192",  # Oracle's metadata
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "ff02::1",
        "fe80::1%eth0",
        "2002:7f00:1::",  # 6to4 of 127.0.0.1
        "2002:a9fe:a9fe::",  # 6to4 of the metadata address
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1
        "64:ff9b:1::7f00:1",  # NAT64 for local use
        "::7f00:1",  # IPv4-compatible 127.0.0.1
        "fec0::1",  # site-local, which is no more
        "2001:db8::1",
        "100::1",
    ],
)
def test_no_other_way_to_write_an_address_leads_inside(address: str) -> None:
    found = get("https://innocent.example/", resolved=[address])
    assert isinstance(found, OutboundError) and found.code == "outbound-address", address


@pytest.mark.parametrize(
    "host", ["2130706433", "127.1", "[::1]", "[::ffff:127.0.0.1]", "127.0.0.1", "localhost"]
)
def test_an_address_in_the_place_of_a_name_is_judged_like_one(host: str) -> None:
    async def main() -> OutboundError | None:
        outbound = Outbound()
        try:
            await outbound.send("GET", f"https://{host}:1/")
        except OutboundError as error:
            return error
        finally:
            await outbound.aclose()
        return None

    found = asyncio.run(main())
    assert found is not None and found.code in ("outbound-address", "outbound-url"), found


def test_a_name_that_means_another_address_a_moment_later_is_connected_to_the_one_that_was_judged() -> None:
    """DNS rebinding: the name is asked once for each connection, and what it says then is where one goes."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    asked: list[str] = []
    connected: list[str] = []

    async def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    class Inner:
        async def connect_tcp(self, address: str, *_: object) -> str:
            connected.append(address)
            return "a stream"

    async def main() -> None:
        backend = GuardedBackend(AllowList(()), resolver, plain=False)
        backend._inner = Inner()  # type: ignore[assignment]
        assert await backend.connect_tcp("rebound.example", 443) == "a stream"
        with pytest.raises(OutboundError, match="internal address"):
            await backend.connect_tcp("rebound.example", 443)

    asyncio.run(main())
    assert asked == ["rebound.example", "rebound.example"] and connected == ["93.184.216.34"]
