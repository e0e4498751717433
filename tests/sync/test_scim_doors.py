"""Promises of how a SCIM target is reached: fetched tokens are renewed, pages go by cursor where the server has it."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.idp.port import IdpError
from scim_bridge.sync.idp.scim.adapter import ScimIdp, open_scim
from tests.conformance.servers import TOKEN, bridge, listening
from tests.conftest import MASTER, run_with_store
from tests.sync.bench import Bench
from tests.sync.okta_bench import applied, owned
from tests.sync.scim_peer import Door, Fault, Peer, on_peer, scim_peer


class TokenDoor(Door):
    """A server with a token endpoint beside it: the first token it gives is one it does not take any more."""

    given = 0
    seen: list[str]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/token":
            await super().__call__(scope, receive, send)
            return
        self.given += 1
        sent = dict(scope["headers"])
        proof = sent.get(b"authorization", b"").decode()
        if not proof.startswith("Basic "):
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})
            return
        token = TOKEN if self.given > 1 else f"{TOKEN}-revoked"
        body = json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 3600}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


def opened(peer: Peer, store: Store, outbound: Outbound, **secrets: str) -> ScimIdp:
    """The adapter with client credentials."""
    settings = {"base_url": peer.base_url, "token_url": peer.base_url.removesuffix("/v2") + "/token"}
    there = Connection("c1", "peer", "generic", "generic", settings, True)
    return open_scim(there, secrets, Context(store, MASTER, outbound, "http://127.0.0.1", Path()))


def test_a_fetched_token_that_is_refused_is_fetched_again_once(sqlite_url: str, clock: Any) -> None:
    async def main(store: Store) -> None:
        outbound = Outbound(allow=["127.0.0.0/8"])
        try:
            idp = opened(peer, store, outbound, client_id="c", client_secret="s:/ecret", scopes="scim.write")
            bench = await Bench.open(store, idp)
            await bench.agent("triage")
            assert (await bench.apply()).state == "OK" and len(peer.users()) == 1
        finally:
            await outbound.aclose()

    with scim_peer() as peer:
        door = peer.door
        door.__class__ = TokenDoor
        run_with_store(sqlite_url, clock, main)
        assert isinstance(door, TokenDoor) and door.given == 2


def test_the_guard_of_the_way_out_stands_before_a_server_of_the_inside(sqlite_url: str, clock: Any) -> None:
    async def main(store: Store) -> None:
        outbound = Outbound()
        try:
            with pytest.raises(IdpError) as refused:
                await peer.open(store, outbound).missing()
            assert refused.value.code in ("outbound-address", "outbound-http")
            with pytest.raises(Refused):
                peer.open(store, outbound, base_url="http://10.0.0.1/scim")
        finally:
            await outbound.aclose()

    with scim_peer() as peer:
        run_with_store(sqlite_url, clock, main)
        assert peer.door.calls == []


def test_pages_go_by_cursor_where_the_server_has_nothing_else(
    sqlite_url: str, sqlite_template: Path, tmp_path: Path, clock: Any
) -> None:
    """Our own server keeps cursors (RFC 9865); told of a server with cursors alone, only they are used."""
    shutil.copy(sqlite_template, tmp_path / "other.db")
    tokens: dict[str, str] = {}
    door = Door(None)

    @asynccontextmanager
    async def behind_the_door() -> AsyncIterator[Any]:
        async with bridge(f"sqlite:///{tmp_path / 'other.db'}", tokens)() as app:
            door.app = app
            yield door

    def cursors_only(config: dict[str, Any]) -> dict[str, Any]:
        assert config["pagination"]["cursor"] is True
        pagination = {
            **config["pagination"],
            "index": False,
            "defaultPaginationMethod": "cursor",
            "maxPageSize": 2,
        }
        return {**config, "pagination": pagination}

    with listening(behind_the_door) as url:
        peer = Peer(f"{url}/scim/v2", door, tokens["strict"])

        async def body(bench: Bench) -> None:
            door.faults = [Fault("GET", "/ServiceProviderConfig", times=99, twist=cursors_only)]
            for n in range(5):
                await owned(bench, f"agent-{n}")
            await applied(bench)
            listings = [path for method, path in door.calls if method == "GET" and "cursor=" in path]
            assert len(listings) >= 3 and not any("startIndex" in path for _, path in door.calls)

        on_peer(sqlite_url, clock, peer, body)
