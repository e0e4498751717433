"""A bridge with something of everything, behind its API: in one event loop of its own, so that anybody may ask."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from starlette.applications import Starlette

from scim_bridge.access.budget_model import Budget, Limit
from scim_bridge.access.policies import load_policies
from scim_bridge.access.versions import activate
from scim_bridge.api.model import House
from scim_bridge.api.routes import routes
from scim_bridge.attestations.campaigns import begin, resume
from scim_bridge.attestations.schedules import policy
from scim_bridge.attestations.service import ask, asking_of
from scim_bridge.audit.record import record
from scim_bridge.console.agent_search import agents_found
from scim_bridge.departures.rules import RULES, Rules
from scim_bridge.doors import signed_in
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.edge import Edge, unexpected, unrouted
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.bulk import plan as plan_bulk
from scim_bridge.registry.bulk_model import Target
from scim_bridge.registry.connections import connection
from scim_bridge.registry.groups import add_members, create_group
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.tokens import create_token
from scim_bridge.settings.attestations import AttestationSettings
from scim_bridge.settings.model import Settings
from scim_bridge.watch.alerts import add_alert
from scim_bridge.watch.baseline_model import KINDS, Finding
from scim_bridge.watch.muting import mute
from tests.conftest import MASTER, TESTER
from tests.departures.house import furnish, heard, left

T = TypeVar("T")
BASE = "http://bridge.test"
BUDGET = Budget("calls", (Limit(100, 60_000_000, 100),), about="not too many")


def context(store: Store) -> Context:
    return Context(store, MASTER, Outbound(), BASE, Path("/nonexistent"))


async def _well() -> list[dict[str, str]]:
    return [{"component": "database", "state": "ok", "detail": "sqlite"}]


def application(ctx: Context, rules: Rules = RULES) -> Any:
    """The API alone, with the edge that the server puts around it."""
    known = partial(signed_in, ctx)
    house = House(ctx, Settings(), rules, agents_found, _well, (BUDGET,), known)
    handlers = {404: unrouted, 405: unrouted, Exception: unexpected}
    return Edge({}, Starlette(routes=routes(house), exception_handlers=handlers))


async def token(store: Store, *scopes: str, label: str = "", name: str | None = None) -> str:
    async def body(work: Work) -> str:
        found = await connection(work.tx, name) if name is not None else None
        return await create_token(
            work,
            MASTER,
            connection_id=None if found is None else found.id,
            scopes=scopes,
            label=label,
        )

    return await store.transact(TESTER, body)


def client(app: Any, key: str) -> httpx2.AsyncClient:
    """A program that calls with a token."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {key}"}
    return httpx2.AsyncClient(transport=transport, base_url=BASE, headers=headers)


async def furnished(store: Store) -> dict[str, str]:
    """Something of everything the API shows; names by the word in the path that takes them."""
    ctx, now = context(store), store.clock.now()
    ids = await furnish(store)
    settings = AttestationSettings()

    async def more(work: Work) -> dict[str, str]:
        group = await create_group(work, {"displayName": "Support tools"}, origin="test")
        await add_members(work, group.id, [(ids["triage"], "triage")])
        await place_hold(work, ids["writer"], "admin", "admin", "looks odd", "an admin")
        dead = await work.effect("notify", {"a": 1}, lane="x", subject_id=ids["triage"])
        await work.tx.run("UPDATE sb_effect SET state = 'dead', last_error = 'gave up' WHERE id = ?", dead)
        campaign = await begin(work, "Spring", policy(settings))
        alert = await add_alert(
            work,
            ids["triage"],
            Finding(KINDS[0], "high", "480 events", 1, figures={"events": 480}),
            ["e"],
            None,
        )
        for kind in KINDS[:3]:
            await mute(work, None, kind, "a move", work.now + 86_400_000_000)
        await activate(work, load_policies(), "first", {})
        await record(work, "agent.seen", "agent", ids["triage"], {"by": "a test"})
        there = await connection(work.tx, "okta")
        plan, run = work.ids.new(), work.ids.new()
        await work.tx.run(
            "INSERT INTO sb_plan (id, connection_id, created, created_by, digest, state, creates, updates,"
            " retires, stops, agents, listed, notes, setup, reason)"
            " VALUES (?, ?, ?, 'test', 'd', 'ready', 0, 1, 0, 0, 5, 5, '[]', '[]', '')",
            plan,
            there.id,
            work.now,
        )
        await work.tx.run(
            "INSERT INTO sb_change (id, plan_id, seq, agent_id, slug, action, remote_id, before, after, wanted,"
            " reasons, notes, desired, state, reason) VALUES (?, ?, 0, ?, 'triage', 'update', 'r1',"
            " '{\"title\": \"a\"}', '{\"title\": \"b\"}', '{\"title\": \"b\"}', '{}', '[]', 'x', 'planned', '')",
            work.ids.new(),
            plan,
            ids["triage"],
        )
        await work.tx.run(
            "INSERT INTO sb_run (id, connection_id, plan_id, stage, state, started, started_by, finished, total,"
            " done, moved, failed, cancelled, reason)"
            " VALUES (?, ?, ?, 'applying', 'RUNNING', ?, 'test', NULL, 1, 0, 0, 0, 0, '')",
            run,
            there.id,
            plan,
            work.now,
        )
        await work.tx.run(
            "INSERT INTO sb_door (name, kind, heard, event, lag, events, cursor, gaps, trouble)"
            " VALUES ('hr:acme', 'hr', ?, ?, 5, 3, '', '[]', '')",
            work.now,
            work.now,
        )
        decision = work.ids.new()
        await work.tx.run(
            "INSERT INTO sb_decision (id, at, agent_id, subject_type, subject, action, resource_type, resource_id,"
            " allowed, reasons, policies, properties, asked, caller_id, caller_name, request_id)"
            " VALUES (?, ?, ?, 'agent', 'triage', 'read', 'ticket', '1', 0,"
            " '[{\"id\": \"no-grant\", \"text\": \"No group grants it.\"}]', '[]', '{}', '{}', 'g', 'gate', 'r')",
            decision,
            work.now,
            ids["triage"],
        )
        asking = asking_of(ctx, settings)
        bulk = await plan_bulk(work, "stop", [ids["triage"]], Target(), asking, "triage")
        credential: Any = await work.tx.one("SELECT id FROM sb_credential ORDER BY id LIMIT 1")
        return {
            "group": group.id,
            "effect": dead,
            "campaign": campaign,
            "alert": alert,
            "plan": plan,
            "run": run,
            "bulk": bulk,
            "decision": decision,
            "credential": credential["id"],
        }

    made = await store.transact(TESTER, more)
    await resume(ctx, TESTER, made["campaign"])
    await ask(ctx, settings, TESTER, "triage")
    await heard(store, left(ids["lena"], now))
    case: Any = await store.reads.one("SELECT id FROM sb_departure LIMIT 1")
    fixed = {"agent": "triage", "person": "priya@corp.test", "connection": "okta", "version": "1"}
    return {
        **fixed,
        "budget": "calls",
        "door": "hr:acme",
        "id": case["id"],
        "mute": "none",
        "token": "none",
        **made,
    }


@dataclass
class Running:
    """An application that answers in a thread of its own, with names of what is there."""

    app: Any
    key: str
    names: dict[str, str]


@contextmanager
def running(url: str, clock: Any) -> Iterator[Running]:
    """A furnished API that callers in any event loop, or in none, can reach in this process."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def there(work: Awaitable[T]) -> T:
        return asyncio.run_coroutine_threadsafe(_as_coroutine(work), loop).result(60)

    async def begun() -> tuple[Store, Any, str, dict[str, str]]:
        database = await open_database(url, pool_size=4)
        store = Store(database, clock, UuidV7(clock))
        names = await furnished(store)
        key = await token(store, "admin", label="fuzz")
        return store, application(context(store)), key, names

    store, inner, key, names = there(begun())
    try:
        yield Running(_over(inner, loop), key, names)
    finally:
        there(store.database.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _as_coroutine(work: Awaitable[T]) -> T:
    return await work


def _over(inner: Any, loop: asyncio.AbstractEventLoop) -> Callable[..., Awaitable[None]]:
    """An ASGI application that has another one answer in another loop, whole requests at a time."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            message = await receive()
            while message["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
                message = await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        told: list[Any] = []

        async def given() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def kept(message: Any) -> None:
            told.append(message)

        done = asyncio.run_coroutine_threadsafe(inner({**scope, "state": {}}, given, kept), loop)
        try:
            await asyncio.wrap_future(done)
        except Exception:
            # Starlette raises a defect again once it is answered with 500, for the server's own log.
            if not told:
                raise
        for message in told:
            await send(message)

    return app
