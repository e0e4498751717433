"""A small company with agents, and everything that makes its effects happen over real HTTP."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from scim_bridge.audit.record import effect_settled
from scim_bridge.credentials.effects import handlers as credential_handlers
from scim_bridge.departures.service import react, settled
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Effect, Effects, Outcome
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.webhook import deliver
from scim_bridge.kernel.work import Actor, Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.agent_facts import AgentFacts, facts_of
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.credentials import register_credential
from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN
from scim_bridge.registry.outward import IDP_PUSH, NOTIFY, RUNTIME_HOOK
from scim_bridge.registry.people import create_person
from scim_bridge.registry.signal import LEFT, Signal
from scim_bridge.signals.service import accept
from tests.conftest import MASTER, TESTER
from tests.receiver import Receiver

SECRET = "whsec_" + base64.b64encode(b"a webhook secret of this test's house").decode()
HR = Actor("connection", "hr:acme", "hr:acme")
PEOPLE = {"ingrid": None, "daniel": "ingrid", "priya": "daniel", "lena": "priya"}
# slug: owner, co-owners, sponsors, number of credentials
AGENTS: dict[str, tuple[str, Sequence[str], Sequence[str], int]] = {
    "triage": ("priya", ["lena"], ["daniel"], 1),
    "refund": ("priya", [], ["daniel"], 2),
    "writer": ("lena", ["priya"], [], 0),
    "audit-helper": ("ingrid", [], ["priya"], 0),
    "bystander": ("ingrid", [], [], 1),
}


async def furnish(store: Store) -> dict[str, str]:
    """People, agents with credentials and one IdP with a push side; ids by name."""
    return await store.transact(TESTER, _furnish)


async def _furnish(work: Work) -> dict[str, str]:
    ids: dict[str, str] = {}
    for name, manager in PEOPLE.items():
        doc: dict[str, Any] = {
            "userName": f"{name}@corp.test",
            "displayName": name.capitalize(),
            "emails": [{"value": f"{name}@corp.test", "primary": True}],
            "timezone": "Europe/Lisbon",
        }
        if manager is not None:
            doc[ENTERPRISE_URN] = {"manager": {"value": ids[manager]}}
        ids[name] = (await create_person(work, doc, origin="test")).id
    for slug, (owner, co_owners, sponsors, credentials) in AGENTS.items():
        extension = {
            "owner": {"value": ids[owner]},
            "coOwners": [{"value": ids[name]} for name in co_owners],
            "sponsors": [{"value": ids[name]} for name in sponsors],
        }
        made = await create_agent(
            work,
            {"userName": f"{slug}@agents.test", AGENT_URN: extension},
            origin="test",
            slug=slug,
            runtime_url=f"https://runtime.test/{slug}",
        )
        ids[slug] = made.id
        for number in range(credentials):
            await register_credential(
                work,
                made.id,
                label=f"key-{number}",
                kind="api_key",
                system="vault",
                reference=f"kv/{slug}/{number}",
                expires=None,
            )
    await create_connection(work, MASTER, "okta", "okta", secrets={"client_id": "x"})
    return ids


def left(person_id: str, now: int, **changes: Any) -> Signal:
    """A leave as HR tells it, effective now unless changed."""
    fields: dict[str, Any] = {
        "source": "hr:acme",
        "key": "event-1",
        "kind": LEFT,
        "person_id": person_id,
        "at": now,
        "effective_at": now,
        "reason": "test",
    }
    return Signal(**{**fields, **changes})


async def heard(store: Store, signal: Signal) -> bool:
    """Accept a signal and react to it, as every door does."""
    return await store.transact(HR, lambda work: accept(work, signal, react))


def context(store: Store) -> Context:
    """A context that may call receivers on this machine."""
    return Context(store, MASTER, Outbound(allow=["127.0.0.1"]), "http://bridge.test", Path())


def engine(ctx: Context, receiver: Receiver) -> Effects:
    """The effect engine, every effect a signed call to the receiver: /vault, /idp, /notify, /runtime."""

    def to(path: str) -> Any:
        async def send(effect: Effect) -> Outcome:
            body = orjson.dumps(dict(effect.payload))
            now = ctx.store.clock.now()
            url = f"{receiver.url}/{path}"
            return await deliver(ctx.outbound, url, SECRET, effect.id, now, body, to=path)

        return send

    handlers = {
        **credential_handlers(ctx, {"vault": {"url": f"{receiver.url}/vault", "secret": SECRET}}),
        IDP_PUSH: to("idp"),
        NOTIFY: to("notify"),
        RUNTIME_HOOK: to("runtime"),
    }
    return Effects(ctx.store, handlers, [effect_settled, settled])


async def waiting(store: Store) -> list[str]:
    """The ids of effects that are not settled, in the order they were written."""
    rows = await store.reads.all(
        "SELECT id FROM sb_effect WHERE state IN ('pending', 'handed') ORDER BY created, id"
    )
    return [row["id"] for row in rows]


async def drain(effects: Effects, store: Store) -> None:
    """Attempt every waiting effect once, and those that follow from them."""
    tried: set[str] = set()
    while todo := [effect for effect in await waiting(store) if effect not in tried]:
        for effect in todo:
            tried.add(effect)
            await effects.attempt(effect)


async def facts(store: Store, agent_id: str) -> AgentFacts:
    """One agent as it stands."""
    return (await facts_of(store.reads, [agent_id]))[agent_id]


async def cases(store: Store) -> list[Mapping[str, Any]]:
    """Every case, the oldest first."""
    return [dict(row) for row in await store.reads.all("SELECT * FROM sb_departure ORDER BY heard_at, id")]


async def effects_by_kind(store: Store) -> dict[str, int]:
    """How many effects there are of each kind."""
    rows = await store.reads.all("SELECT kind, COUNT(*) AS n FROM sb_effect GROUP BY kind")
    return {row["kind"]: row["n"] for row in rows}
