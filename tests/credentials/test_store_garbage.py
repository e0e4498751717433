"""Promise: whatever answers where a store should be, a delivery says that it is no store, and may be tried again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest

from scim_bridge.credentials.model import Delivered, Target
from tests.credentials.test_stores import failure, fresh

PLACES = {
    "openbao": {"path": "agents/refund"},
    "aws": {"secret": "agents/refund", "field": "secret"},
    "kubernetes": {"secret": "refund"},
}
SETTINGS: dict[str, dict[str, str]] = {
    "openbao": {"token": "t", "pki_role": "agents", "transit": "transit"},
    "aws": {"region": "eu-central-1", "access_key_id": "AKIATEST", "secret_access_key": "k"},
    "kubernetes": {"token": "t"},
}
ANSWERS: list[Any] = ["Sign in", [], {}, {"data": None}, {"data": {"keys": {}, "data": 7, "certificate": 1}}]


class Portal(ThreadingHTTPServer):
    """Answers everything with 200 and the same."""

    said: bytes = b""


class _Answer(BaseHTTPRequestHandler):
    def _any(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        said = self.server.said  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with Portal(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


@pytest.mark.parametrize("kind", PLACES)
def test_an_answer_no_store_gives_is_told_as_that_and_may_pass(portal: Portal, kind: str) -> None:
    target = Target(kind, PLACES[kind], "store")
    address = f"http://127.0.0.1:{portal.server_port}"
    stores = {"store": {"kind": kind, "address": address, **SETTINGS[kind]}}
    calls: list[Any] = [
        lambda s: s.deliver(target, fresh(), "1"),
        lambda s: s.withdraw(target, Delivered("1")),
    ]
    if kind == "openbao":
        calls += [
            lambda s: s.certificate("store", "a request", "refund", 30),
            lambda s: s.with_key("store", "scim-bridge-1", lambda key: key.key_size),
        ]
    for said in ANSWERS:
        portal.said = said.encode() if isinstance(said, str) else orjson.dumps(said)
        for call in calls:
            found = failure(stores, call)
            assert found.transient and "else than" in found.message, (said, found.message)
