"""A sandbox transmitter and the SSF door, each over HTTPS, and who works where: for the tests of security events."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson
import uvicorn
from starlette.applications import Starlette

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.people import create_person
from scim_bridge.registry.resources import INSERT_EXTERNAL
from scim_bridge.registry.signal import Signal
from scim_bridge.sandbox.kit.clock import SystemClock
from scim_bridge.sandbox.ssf.app import build
from scim_bridge.signals import set_up, stream_keys
from scim_bridge.signals.doors import Door, door
from scim_bridge.signals.ssf_poll import Poller
from scim_bridge.signals.ssf_routes import routes
from scim_bridge.signals.streams import PUSH, Stream, stream
from tests.conftest import MASTER, TESTER
from tests.sandbox.servers import Running, running, trust

PEOPLE = {"maria": "ext-maria", "ben": "ext-ben", "ana": ""}


class SharedClock:
    """The clock of a sandbox that outlives one test: that test's clock."""

    def __init__(self) -> None:
        self.inner: Any = SystemClock()

    def now(self) -> int:
        return int(self.inner.now())


class Quiet(uvicorn.Server):
    """A server inside a test's own loop, which leaves signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def transmitter(data: Path) -> Iterator[tuple[Running, SharedClock]]:
    """The sandbox transmitter; empty it before each test with `afresh`."""
    clock = SharedClock()
    with running("ssf", build, data, clock) as sandbox:
        yield sandbox, clock


def afresh(sandbox: Running) -> None:
    """Forget streams and events, and keep the signing key: making one takes longer than a test."""
    keys = sandbox.sandbox.store.all("signing-key")[:1]
    sandbox.control.post("/reset").raise_for_status()
    for kid, value in keys:
        sandbox.sandbox.store.put("signing-key", kid, value)


@contextlib.asynccontextmanager
async def served(app: Any, sandbox: Running) -> AsyncIterator[str]:
    """The address of an application of ours that listens with a certificate the sandbox trusts."""
    listener = socket.create_server(("127.0.0.1", 0))
    cert, key = sandbox.sandbox.ca.issue(["127.0.0.1", "localhost"])
    server = Quiet(uvicorn.Config(app, log_config=None, lifespan="off", ssl_certfile=cert, ssl_keyfile=key))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@dataclass
class Stage:
    """The connection `acme` with its stream, the people it knows, and the signals that came of it."""

    store: Store
    clock: ManualClock
    sandbox: Running
    ctx: Context
    ids: dict[str, str]
    seen: list[Signal] = field(default_factory=list)
    client: dict[str, str] = field(default_factory=dict)

    async def react(self, _work: Work, signal: Signal) -> None:
        self.seen.append(signal)

    async def connect(self, method: str = PUSH, **more: Any) -> set_up.SetUp:
        """Set the stream up with the transmitter, and fetch its keys as the duty does."""
        token = {"token": f"{self.sandbox.url}/token"}
        asked = Stream("", "acme", "", (), method, token, **more)
        done = await set_up.by_transmitter(self.ctx, TESTER, asked, self.sandbox.url, self.client)
        await stream_keys.refresh(self.ctx)
        return done

    def poller(self, **more: int) -> Poller:
        return Poller(self.ctx, self.react, **more)

    async def steer(self, path: str, **body: Any) -> dict[str, Any]:
        """A call of the sandbox's control API, beside the loop that answers what it leads to."""
        answer = await asyncio.to_thread(self.sandbox.control.post, path, json=body)
        answer.raise_for_status()
        return dict(answer.json())

    async def happen(self, event: str, person: str = "maria", **more: Any) -> str:
        """Something happens to somebody, known by the id the connection gave; the jti it is told under."""
        subject = {"format": "iss_sub", "iss": self.sandbox.url, "sub": PEOPLE.get(person, person)}
        told = await self.steer("/events", event=event, **{"subject": subject, **more})
        return str(told["jti"])

    async def delivered(self, jti: str) -> dict[str, Any]:
        """What became of a pushed event: waited for until it was taken or refused."""
        for _ in range(200):
            for one in await self.sets():
                if one["jti"] == jti and one["state"] != "waiting":
                    return one
            await asyncio.sleep(0.02)
        raise AssertionError(f"{jti} was not delivered: {await self.sets()}")

    async def sets(self) -> list[dict[str, Any]]:
        answer = await asyncio.to_thread(self.sandbox.control.get, "/sets")
        return list(answer.json()["sets"])

    async def push(self, body: bytes, headers: dict[str, str]) -> httpx2.Response:
        """What the door answers to a raw call."""
        async with httpx2.AsyncClient(verify=trust(self.sandbox.ca_file), trust_env=False) as http:
            return await http.post(f"{self.ctx.public_url}/signals/ssf/acme", content=body, headers=headers)

    async def stream(self) -> Stream:
        return await stream(self.store.reads, "acme")

    async def door(self) -> Door:
        found = await door(self.store.reads, "ssf:acme")
        assert found is not None
        return found

    async def audited(self, action: str) -> list[dict[str, Any]]:
        rows = await self.store.reads.all("SELECT * FROM sb_audit WHERE action = ? ORDER BY id", action)
        return [{**dict(row), "detail": orjson.loads(row["detail"])} for row in rows]


@contextlib.asynccontextmanager
async def staged(store: Store, clock: ManualClock, sandbox: Running) -> AsyncIterator[Stage]:
    """A stage whose door listens."""
    outbound = Outbound(allow=["127.0.0.0/8"], ca_file=sandbox.ca_file)
    ids = await store.transact(TESTER, _people)
    app = Starlette()
    async with served(app, sandbox) as url:
        made = Stage(store, clock, sandbox, Context(store, MASTER, outbound, url, Path()), ids)
        app.router.routes.extend(routes(made.ctx, made.react))
        (client,) = sandbox.control.get("/client").json()["clients"]
        made.client = {"client_id": client["client_id"], "client_secret": client["secret"]}
        try:
            yield made
        finally:
            await outbound.aclose()


async def _people(work: Work) -> dict[str, str]:
    acme = await create_connection(work, MASTER, "acme", "generic")
    made = {}
    for name, external in PEOPLE.items():
        mails = [f"{name}@corp.test", *(["shared@corp.test"] if name != "maria" else [])]
        doc = {"userName": name, "emails": [{"value": mail} for mail in mails]}
        made[name] = (await create_person(work, doc, origin="test")).id
        if external:
            await work.tx.run(INSERT_EXTERNAL, made[name], acme.id, "user", external, work.now)
    return made


OnStage = Callable[[Callable[[Stage], Any]], None]
