"""Promises about streams of the audit: every row arrives in order, whatever fails on the way; anchors arrive."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest

from scim_bridge.audit import anchors
from scim_bridge.audit.record import effect_settled, record
from scim_bridge.audit.seal import seal
from scim_bridge.audit.streaming import duty, serve, standings, try_out
from scim_bridge.audit.transports import NotTaken
from scim_bridge.audit.verify import read_anchors, verify_database
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.sandbox.kit.tls import ensure_ca
from scim_bridge.settings.audit import AnchorSettings, AuditSettings, SinkSettings
from scim_bridge.settings.load import load_settings
from tests.conftest import MASTER, TESTER, run_with_store
from tests.watch.receiver import receiver

FRAME = re.compile(rb"([1-9][0-9]*) ")


async def happened(store: Store, count: int = 1) -> None:
    async def body(work: Work) -> None:
        for number in range(count):
            await record(work, "agent.held", "agent", f"a{number}", {"reason": "r"})

    await store.transact(TESTER, body)
    await seal(store, MASTER)


@asynccontextmanager
async def context(
    store: Store, ca_file: Path | None = None, *, allow: str = "127.0.0.0/8"
) -> AsyncIterator[Context]:
    """What the room is handed, let go of at the end."""
    outbound = Outbound(allow=[allow], ca_file=ca_file)
    try:
        yield Context(store, MASTER, outbound, "https://bridge.test", Path())
    finally:
        await outbound.aclose()


def seqs(lines: list[bytes]) -> list[int]:
    return [int(orjson.loads(line)["metadata"]["sequence"]) for line in lines]


def test_a_sink_gets_every_row_in_order_and_goes_on_where_it_stopped(on_store) -> None:
    async def body(store: Store) -> None:
        with receiver() as sink:
            async with context(store) as ctx:
                settings = AuditSettings(
                    {"siem": SinkSettings("https", sink.url, authorization="Splunk abc")}
                )
                send = duty(ctx, settings)
                assert await send() == 0
                await happened(store, 3)
                sink.answers = [(500, {}), (200, {})]
                assert await send() == 0
                (one,) = await standings(store.reads, settings)
                assert (one.cursor, one.behind, one.failures) == (0, 3, 1) and "answered 500" in one.error
                # Not at once again, but after a pause that grows.
                assert await send() == 0 and len(sink.seen) == 1
                store.clock.advance(seconds=2)
                assert await send() == 3
                await happened(store, 2)
                assert await send() == 2
                (one,) = await standings(store.reads, settings)
                assert (one.cursor, one.behind, one.sent, one.failures, one.error) == (5, 0, 5, 0, "")
                arrived = [seqs(call.body.splitlines()) for call in sink.seen]
                assert arrived == [[1, 2, 3], [1, 2, 3], [4, 5]]
                headers = sink.seen[1].headers
                assert headers["authorization"] == "Splunk abc" and headers["x-audit-last-seq"] == "3"
                # The same rows again are the same request.
                assert sink.seen[0].headers["idempotency-key"] == headers["idempotency-key"]

    on_store(body)


def test_of_two_replicas_one_serves_a_sink_and_what_a_dead_one_held_comes_free(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        with receiver() as sink:
            async with context(store) as ctx:
                chosen = SinkSettings("https", sink.url)
                await serve(ctx, "siem", chosen)
                await happened(store)

                async def dies(work: Work) -> None:
                    work.bookkeeping("as if a process had died while it sent")
                    await work.tx.run("UPDATE sb_audit_sink SET next_at = ?", work.now + 60_000_000)

                await store.transact(TESTER, dies)
                assert await serve(ctx, "siem", chosen) == 0
                clock.advance(seconds=61)
                assert await serve(ctx, "siem", chosen) == 1

    run_with_store(sqlite_url, clock, body)


def test_a_file_gets_lines_and_a_sink_that_begins_now_gets_only_what_is_new(
    sqlite_url, clock, tmp_path
) -> None:
    file = tmp_path / "audit.log"

    async def body(store: Store) -> None:
        async with context(store) as ctx:
            await happened(store, 2)
            await serve(ctx, "old", SinkSettings("file", str(file), form="cef"))
            new = SinkSettings("file", str(tmp_path / "new.log"), begin="now")
            await serve(ctx, "new", new)
            await happened(store, 1)
            assert await serve(ctx, "new", new) == 1
            missing = SinkSettings("file", str(tmp_path / "no" / "where.log"))
            with pytest.raises(NotTaken, match="cannot be written"):
                await try_out(ctx, TESTER, "bad", missing)

    run_with_store(sqlite_url, clock, body)
    assert len(file.read_bytes().splitlines()) == 2 and b"cn1=2" in file.read_bytes()
    assert seqs((tmp_path / "new.log").read_bytes().splitlines()) == [3]


@dataclass
class Syslog:
    """A syslog receiver over TLS: what it read, connection by connection; `resets`: how many it breaks off."""

    port: int = 0
    read: list[bytes] = field(default_factory=list)
    resets: int = 0

    def messages(self) -> list[bytes]:
        found, rest = [], self.read[-1]
        while rest:
            head = FRAME.match(rest)
            assert head is not None, rest[:40]
            end = head.end() + int(head[1])
            found.append(rest[head.end() : end])
            rest = rest[end:]
        return found


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return ensure_ca(tmp_path_factory.mktemp("ca"))


@contextmanager
def syslog_server(ca) -> Iterator[Syslog]:
    cert, key = ca.issue(["127.0.0.1"])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", 0))
    server = Syslog(listener.getsockname()[1])

    def run() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with plain:
                _one(server, tls, plain)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        # Closing alone does not wake a thread that waits in accept.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def _one(server: Syslog, tls: ssl.SSLContext, plain: socket.socket) -> None:
    try:
        secure = tls.wrap_socket(plain, server_side=True)
    except OSError:
        return
    with secure:
        if server.resets:
            server.resets -= 1
            secure.recv(10)
            # Closed with unread data and no lingering: the sender sees a reset.
            secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        content = b""
        while piece := secure.recv(65536):
            content += piece
        server.read.append(content)


def test_syslog_over_tls_counts_octets_and_sends_again_what_a_broken_connection_swallowed(
    sqlite_url, clock, ca
) -> None:
    async def body(store: Store) -> None:
        with syslog_server(ca) as server:
            async with context(store, ca.ca_file) as ctx:
                server.resets = 1
                chosen = SinkSettings("syslog", f"127.0.0.1:{server.port}", form="cef")
                await happened(store, 400)
                assert await serve(ctx, "siem", chosen) == 0
                clock.advance(seconds=2)
                assert await serve(ctx, "siem", chosen) == 400
                found = server.messages()
                assert [int(re.search(rb'sequenceId="(\d+)"', one)[1]) for one in found] == list(
                    range(1, 401)
                )
                assert all(one.startswith(b"<10") and b" CEF:0|scim-bridge|" in one for one in found)

    run_with_store(sqlite_url, clock, body)


def test_syslog_goes_to_nobody_whose_certificate_is_not_trusted_and_to_no_internal_address(
    sqlite_url, clock, ca
) -> None:
    async def body(store: Store) -> None:
        await happened(store)
        with syslog_server(ca) as server:
            chosen = SinkSettings("syslog", f"127.0.0.1:{server.port}", form="cef")
            async with context(store) as ctx:
                with pytest.raises(NotTaken, match="No trusted connection"):
                    await try_out(ctx, TESTER, "siem", chosen)
            async with context(store, ca.ca_file, allow="192.0.2.1") as ctx:
                with pytest.raises(NotTaken, match="internal address"):
                    await try_out(ctx, TESTER, "siem", chosen)
            assert server.read == []

    run_with_store(sqlite_url, clock, body)


@dataclass
class Objects:
    """An object store that takes PUT."""

    url: str = ""
    kept: dict[str, bytes] = field(default_factory=dict)
    status: int = 200


@contextmanager
def object_store() -> Iterator[Objects]:
    kept = Objects()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if kept.status == 200:
                kept.kept[self.path] = body
            self.send_response(kept.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kept.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_checkpoints_are_anchored_in_a_file_an_object_store_and_a_webhook_and_the_chain_goes_through_them(
    on_store, tmp_path
) -> None:
    async def body(store: Store) -> None:
        file = tmp_path / f"anchors-{store.database.backend}.jsonl"
        with receiver() as hook, object_store() as objects:
            async with context(store) as ctx:
                settings = AuditSettings(
                    anchors={
                        "disk": AnchorSettings("file", str(file)),
                        "bucket": AnchorSettings(
                            "put", f"{objects.url}/audit/?sig=x", headers={"x-ms-blob-type": "b"}
                        ),
                        "hook": AnchorSettings("webhook", hook.url, secret="whsec_" + "c2Nj" * 8),
                    }
                )
                effects = Effects(store, anchors.handlers(ctx, settings), [effect_settled])
                anchor = anchors.duty(ctx, settings)
                assert await anchor() == 0
                await happened(store, 2)
                assert await anchor() == 3 and await anchor() == 0
                objects.status = 503
                waits = [await effects.attempt(row["id"]) for row in await open_effects(store)]
                assert sorted(wait is None for wait in waits) == [False, True, True]
                objects.status = 200
                assert [await effects.attempt(row["id"]) for row in await open_effects(store)] == [None]
                assert [one["confirmed"] for one in await anchors.anchored(store.reads, settings)] == [
                    2,
                    2,
                    2,
                ]
                # An hour later, and only when there is something new: here the audit of what was sent.
                await seal(store, MASTER)
                assert await anchor() == 0
                store.clock.advance(seconds=3601)
                assert await anchor() == 3
                for row in await open_effects(store):
                    assert await effects.attempt(row["id"]) is None
                kept = read_anchors(file.read_bytes().splitlines())
                assert len(kept) == 2
                assert list(objects.kept) == [f"/audit/checkpoint-{n:012d}.json?sig=x" for n in (2, 5)]
                assert read_anchors(list(objects.kept.values())) == kept
                assert orjson.loads(hook.seen[0].body)["data"]["statement"] == kept[0]
                assert (await verify_database(store.database, kept)).ok

                async def rewrites(work: Work) -> None:
                    work.bookkeeping("test")
                    await work.tx.run("DELETE FROM sb_checkpoint WHERE last_seq > 2")
                    await work.tx.run("DELETE FROM sb_audit WHERE seq > 2")

                await store.transact(TESTER, rewrites)
                assert (await verify_database(store.database)).ok
                (finding,) = (await verify_database(store.database, kept)).findings
                assert finding.seq == 5 and "the chain ends at 2" in finding.message

    on_store(body)


async def open_effects(store: Store) -> list[dict[str, str]]:
    return list(await store.reads.all("SELECT id FROM sb_effect WHERE state = 'pending' ORDER BY id"))


def settings_from(text: str, tmp_path: Path) -> AuditSettings:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    return load_settings(file, {"SCIM_BRIDGE_AUDIT__SINKS__SIEM__AUTHORIZATION": "Bearer t"}).audit


def test_sinks_are_read_from_the_settings_and_their_secrets_from_the_environment(tmp_path) -> None:
    text = '[audit.sinks.siem]\nkind = "https"\nto = "https://siem.example/in"\n'
    assert settings_from(text, tmp_path).sinks["siem"] == SinkSettings(
        "https", "https://siem.example/in", authorization="Bearer t"
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('kind = "smoke"', "kind"),
        ('kind = "syslog"\nto = "siem.example"\nform = "cef"', "to"),
        ('kind = "syslog"\nto = "siem.example:99999"\nform = "cef"', "to"),
        ('kind = "https"\nto = "https://a:b@siem.example"', "to"),
        ('kind = "https"\nto = "https://[::1"', "to"),
        ('kind = "https"\nto = "https://siem.example:port"', "to"),
        ('kind = "https"\nto = "https://siem.example"\nform = "cef"', "form"),
        ('kind = "file"', "to"),
        ('kind = "file"\nto = "x"\nbegin = "later"', "begin"),
        ('kind = "file"\nfrom = "x"', "from"),
    ],
)
def test_a_sink_that_cannot_work_is_refused_at_start(text: str, key: str, tmp_path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings_from(f"[audit.sinks.siem]\n{text.replace(chr(9), '')}\n", tmp_path)
    assert refused.value.key == f"audit.sinks.siem.{key}"
