"""A scim2-server over real HTTP as a target, with abilities a test chooses, and a door in front that can fail."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from scim2_models import ScimProvider, ServiceProviderConfig
from scim2_server.memory import AsyncInMemoryStorage
from scim2_server.utils import load_default_resource_types, load_default_schemas

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.idp.scim.adapter import ScimIdp, open_scim
from tests.conformance.servers import TOKEN, Guarded, listening, plain
from tests.conftest import MASTER, run_with_store
from tests.sync.bench import Bench

ABLE = {"patch": True, "filter": True, "etag": True}
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MANAGER = f"{ENTERPRISE}:manager.value"


def provider(patch: bool = True, filter: bool = True, etag: bool = True) -> ScimProvider:
    """What scim2-server is to be able to do."""
    config = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": patch},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": filter, "maxResults": 7},
        "changePassword": {"supported": False},
        "sort": {"supported": False},
        "etag": {"supported": etag},
        "authenticationSchemes": [],
    }
    return ScimProvider.from_discovery(
        load_default_schemas().values(),
        load_default_resource_types().values(),
        config=ServiceProviderConfig.model_validate(config),
    )


@dataclass
class Fault:
    """What happens to the next `times` matching calls: answered before or `after` they were performed."""

    method: str
    path: str
    status: int = 0
    times: int = 1
    after: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    # Changes the JSON of the answer.
    twist: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    # Changes the JSON of the request.
    bend: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    fired: int = 0


class Door:
    """An ASGI application in front of another: keeps a journal, and goes wrong as told."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.calls: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.faults: list[Fault] = []

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.method == method and fault.path in path:
                fault.times -= 1
                fault.fired += 1
                return fault
        return None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        target = scope["path"] + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        self.calls.append((scope["method"], target))
        self.headers.append({k.decode(): v.decode() for k, v in scope["headers"]})
        fault = self._fault(scope["method"], target)
        if fault is None:
            await self.app(scope, receive, send)
            return
        if fault.status and not fault.after:
            await _answer(send, fault)
            return
        if fault.bend is not None:
            body = json.dumps(fault.bend(json.loads(await _body(receive)))).encode()
            scope = {**scope, "headers": [(k, v) for k, v in scope["headers"] if k != b"content-length"]}
            receive = _given(body)
        kept: list[dict[str, Any]] = []

        async def keep(message: dict[str, Any]) -> None:
            kept.append(message)

        await self.app(scope, receive, keep)
        if fault.status:
            await _answer(send, fault)
            return
        text = b"".join(m.get("body", b"") for m in kept[1:])
        if fault.twist is not None and text:
            text = json.dumps(fault.twist(json.loads(text))).encode()
        headers = [(k, v) for k, v in kept[0]["headers"] if k.lower() != b"content-length"]
        await send({**kept[0], "headers": headers})
        await send({"type": "http.response.body", "body": text})

    def writes(self) -> list[str]:
        """The methods of the calls that were to change something, oldest first."""
        return [method for method, _ in self.calls if method != "GET"]


async def _answer(send: Any, fault: Fault) -> None:
    headers = [(k.encode(), v.encode()) for k, v in fault.headers.items()]
    await send({"type": "http.response.start", "status": fault.status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _body(receive: Any) -> bytes:
    found = b""
    while True:
        message = await receive()
        found += message.get("body", b"")
        if not message.get("more_body"):
            return found


def _given(body: bytes) -> Any:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


@dataclass
class Peer:
    """A running server, and what a test asks of it."""

    base_url: str
    door: Door
    token: str = TOKEN

    @property
    def http(self) -> httpx2.Client:
        """Somebody else's client of it."""
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/scim+json"}
        return httpx2.Client(base_url=self.base_url, headers=headers, timeout=20)

    def people(self, *logins: str, **more: Any) -> list[str]:
        """People with accounts; their ids."""
        with self.http as http:
            made = [http.post("/Users", json={"schemas": [USER], "userName": one, **more}) for one in logins]
        assert all(answer.status_code == 201 for answer in made), [answer.text for answer in made]
        return [answer.json()["id"] for answer in made]

    def users(self) -> list[dict[str, Any]]:
        """Every user."""
        found: list[dict[str, Any]] = []
        with self.http as http:
            while True:
                page = http.get("/Users", params={"startIndex": len(found) + 1, "count": 7}).json()
                found += page.get("Resources", [])
                if not page.get("Resources") or len(found) >= page["totalResults"]:
                    return found

    def user(self, login: str) -> dict[str, Any]:
        """The one user of this name."""
        (found,) = [one for one in self.users() if one["userName"].casefold() == login.casefold()]
        return found

    def patch(self, user_id: str, **values: Any) -> None:
        """An admin there changes something."""
        found = [{"op": "replace", "path": path, "value": value} for path, value in values.items()]
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": found}
        with self.http as http:
            assert http.patch(f"/Users/{user_id}", json=body).status_code in (200, 204)

    def open(self, store: Store, outbound: Outbound, **settings: Any) -> ScimIdp:
        """The adapter, as a connection's settings and secrets would open it."""
        there = Connection("c1", "peer", "generic", "generic", {"base_url": self.base_url, **settings}, True)
        ctx = Context(store, MASTER, outbound, "http://127.0.0.1", Path())
        return open_scim(there, {"token": self.token}, ctx)


@contextlib.contextmanager
def scim_peer(**abilities: bool) -> Iterator[Peer]:
    """A new scim2-server with these abilities."""
    door = Door(Guarded(AsyncInMemoryStorage(), provider(**{**ABLE, **abilities})))
    with listening(plain(door)) as url:
        yield Peer(f"{url}/v2", door)


def on_peer(
    url: str, clock: ManualClock, peer: Peer, body: Callable[[Bench], Awaitable[None]], **settings: Any
) -> None:
    """Run a test with a bench whose IdP is the adapter over the server, and whose owner is known to both."""

    async def main(store: Store) -> None:
        outbound = Outbound(allow=["127.0.0.0/8"])
        idp = peer.open(store, outbound, **settings)
        try:
            bench = await Bench.open(store, idp)
            await bench.person("maria@corp.test")
            await bench.person("omar@corp.test")
            await body(bench)
        finally:
            await idp.close()
            await outbound.aclose()

    run_with_store(url, clock, main)
