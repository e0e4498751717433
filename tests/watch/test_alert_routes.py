"""Promises of an alert's way out: what the receiver did is known by its status, and nobody else is led astray by it."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from scim_bridge.kernel.effects import Dead, Done, Effect, Effects, Outcome, Retry
from scim_bridge.settings.watch import AlertRouteSettings, AlertSettings
from scim_bridge.watch.alert_delivery import handlers
from scim_bridge.watch.alerts import alert
from scim_bridge.watch.telling import told
from scim_bridge.watch.watcher import Watcher
from tests.conftest import run_with_store
from tests.watch.activity import Sender, with_sender
from tests.watch.alerted import KEY, SECRET, told_effects

LONG = 10_000_000
METADATA = "http://169.254.169.254/latest/meta-data/"


class _Odd(BaseHTTPRequestHandler):
    """Answers as the path says: /KIND/STATUS/…; a body that is long, compressed, or does not come."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        kind, status = self.path.split("/")[1:3]
        self.server.calls.append(self.path)  # type: ignore[attr-defined]
        if kind == "garbage":
            self.wfile.write(b"\x00\xff\x13 no HTTP\r\n\r\n")
            self.close_connection = True
            return
        body = gzip.compress(b"down" * 1000) if kind == "compressed" else b"x" * LONG
        self.send_response(int(status))
        for name, value in (("content-encoding", "gzip"),) if kind == "compressed" else ():
            self.send_header(name, value)
        if kind == "redirect":
            self.send_header("location", METADATA)
        self.send_header("content-length", "0" if kind == "redirect" else str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        if kind == "stuck":
            self.wfile.write(b"x")
            self.wfile.flush()
            self.server.ended.wait(30)  # type: ignore[attr-defined]
        elif kind != "redirect":
            self.send(body)
        self.close_connection = True

    def send(self, body: bytes) -> None:
        try:
            self.wfile.write(body)
        except OSError:
            return

    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def odd_receiver() -> Iterator[tuple[str, list[str]]]:
    """Its address, and the paths that were called."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Odd)
    server.daemon_threads = True
    server.calls, server.ended = [], threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.calls  # type: ignore[attr-defined]
    finally:
        server.ended.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("path", "becomes"),
    (
        ("long/202", Done),
        ("long/500", Retry),
        ("compressed/200", Done),
        ("compressed/503", Retry),
        ("stuck/200", Done),
        ("garbage/0", Retry),
        ("redirect/302", Dead),
        ("redirect/307", Dead),
    ),
)
def test_the_status_says_what_became_of_an_alert_whatever_body_comes_with_it(
    sqlite_url, clock, path: str, becomes: type[Outcome]
) -> None:
    async def body(sender: Sender) -> None:
        await sender.sent(sender.event(tool="shell"))
        [found] = await sender.looked()
        with odd_receiver() as (url, calls):
            routes = tuple(
                AlertRouteSettings(kind, kind, f"{url}/{path}/{kind}", "low")
                for kind in ("webhook", "pagerduty")
            )
            chosen = AlertSettings(routes=routes, secrets={"webhook": SECRET, "pagerduty": KEY})
            perform = handlers(sender.ctx, chosen)["alert"]
            for route in routes:
                said = {"alert": found["id"], "route": route.name, "event": "alert.opened"}
                outcome = await perform(Effect(route.name, "alert", "l", found["agent_id"], None, said, 0, 0))
                assert isinstance(outcome, becomes), outcome
                if becomes is Dead:
                    assert "redirects are not followed" in outcome.reason  # type: ignore[union-attr]
            assert calls == [f"/{path}/{kind}" for kind in ("webhook", "pagerduty")], "nothing is followed"

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, body)


def test_an_alert_says_how_far_each_route_was_told_and_why_it_was_not(on_store, clock) -> None:
    routes = tuple(
        AlertRouteSettings(name, "webhook", "http://127.0.0.1:1", "low") for name in ("siem", "spare")
    )
    chosen = AlertSettings(routes=routes, secrets={"siem": SECRET, "spare": SECRET})

    async def body(sender: Sender) -> None:
        await sender.sent(sender.event(tool="shell"))
        [row] = await sender.looked(chosen)
        found = await alert(sender.store.reads, row["id"])
        first, second = await told(sender.store.reads, chosen, found)
        engine = Effects(sender.store, handlers(sender.ctx, chosen), [])
        wait = await engine.attempt(first["effect"])
        again = {one["route"]: one for one in await told(sender.store.reads, chosen, found)}
        assert wait == 1.0 and set(again) == {"siem", "spare"}
        failed, waits = again[first["route"]], again[second["route"]]
        assert (failed["state"], failed["attempts"], failed["event"]) == ("pending", 1, "alert.opened")
        assert "refused the connection" in failed["error"] and failed["next_try"] > waits["next_try"]
        assert (waits["attempts"], waits["error"]) == (0, None)
        assert await told(sender.store.reads, AlertSettings(), found) == []

    with_sender(on_store, clock, body)


def test_two_workers_that_see_the_same_at_the_same_moment_open_one_alert_and_tell_each_route_once(
    postgres_url, clock
) -> None:
    routes = tuple(AlertRouteSettings(name, "webhook", "http://127.0.0.1:1", "low") for name in ("a", "b"))
    chosen = AlertSettings(routes=routes, secrets={"a": SECRET, "b": SECRET})

    async def ask(*_: object) -> bool:
        return True

    async def body(sender: Sender) -> None:
        for _ in range(5):
            for agent in ("triage", "batch"):
                await sender.sent(*(sender.event(agent=agent, tool=tool) for tool in ("shell", "telnet")))
            await asyncio.gather(*(Watcher(sender.ctx, chosen, ask).look() for _ in range(4)))
        counted = await sender.store.reads.one("SELECT COUNT(*) AS n FROM sb_alert")
        assert counted is not None and counted["n"] == 4, "two agents with two strange tools"
        told = [(one["alert"], one["route"], one["event"]) for one in await told_effects(sender)]
        assert len(told) == len(set(told)) == 8

    with_sender(lambda run: run_with_store(postgres_url, clock, run), clock, body)
