"""What the wizard does in the bridge: connection, token, waiting, credentials, proof, preview. All can be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scim_bridge.app import Bridge
from scim_bridge.cli.session import actor
from scim_bridge.conformance.catalogue import planned
from scim_bridge.conformance.model import Report
from scim_bridge.conformance.perform import perform
from scim_bridge.conformance.target import Target
from scim_bridge.kernel.errors import Conflict, NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.registry import connections as registry
from scim_bridge.registry.agents import all_agents, find_agent
from scim_bridge.registry.tokens import CONNECTION_SCOPES, create_token, revoke_token
from scim_bridge.sync.facts import desired_of
from scim_bridge.sync.features import probe
from scim_bridge.sync.idp.port import Feature
from scim_bridge.sync.mapping import Step
from scim_bridge.sync.one import mapping_steps
from scim_bridge.sync.wanting import rules_of

LOOK = 0.5
HERE = ("127.0.0.1", "localhost", "::1")
LABEL = "connect"
PROOF = "connect: proof"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a connection is: what has been done already need not be done again."""

    there: registry.Connection
    tokens: tuple[str, ...]
    heard: bool


async def connected(bridge: Bridge, name: str, kind: str) -> Standing:
    """The connection, made when there is none. Conflict when it is another kind's."""
    store = bridge.ctx.store
    try:
        found = await registry.connection(store.reads, name)
    except NotFound:
        found = await store.transact(
            actor(), lambda work: registry.create_connection(work, bridge.ctx.master, name, kind)
        )
    if found.kind != kind:
        raise Conflict(
            "connection-kind", f"{name} is a connection to {found.kind}.", "Use --name for another one."
        )
    return await standing(bridge, name)


async def standing(bridge: Bridge, name: str) -> Standing:
    """How far it is by now."""
    store = bridge.ctx.store
    there = await registry.connection(store.reads, name)
    rows = await store.reads.all(
        "SELECT id, label, last_used FROM sb_token WHERE connection_id = ? AND client_id IS NULL AND revoked IS NULL"
        " AND (expires IS NULL OR expires > ?) ORDER BY id",
        there.id,
        store.clock.now(),
    )
    # A proof we ran ourselves is no call of the IdP.
    own = [row for row in rows if row["label"] != PROOF]
    heard = any(row["last_used"] is not None for row in own)
    return Standing(there, tuple(row["id"] for row in own), heard)


async def token(bridge: Bridge, there: registry.Connection, instead: tuple[str, ...] = ()) -> str:
    """A new token for the IdP; those it stands for, which nobody ever used, are revoked with it."""

    async def make(work: Work) -> str:
        for each in instead:
            await revoke_token(work, each)
        return await create_token(
            work, bridge.ctx.master, connection_id=there.id, scopes=CONNECTION_SCOPES, label=LABEL
        )

    return await bridge.ctx.store.transact(actor(), make)


async def first_call(bridge: Bridge, name: str, seconds: float, tick: Callable[[], None]) -> bool:
    """Wait until the IdP has called; False when it did not in that time. `tick` hears that we still wait."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not (await standing(bridge, name)).heard:
        if loop.time() >= until:
            return False
        tick()
        await asyncio.sleep(LOOK)
    return True


async def credentialed(
    bridge: Bridge, name: str, settings: dict[str, Any], secrets: dict[str, Any]
) -> registry.Connection:
    """The connection with credentials for the way back."""
    return await bridge.ctx.store.transact(
        actor(),
        lambda work: registry.configure_connection(
            work, bridge.ctx.master, name, settings=settings, secrets=secrets
        ),
    )


async def probed(bridge: Bridge, name: str) -> tuple[Feature, ...]:
    """What of the IdP can be used; kept on the connection."""
    there, idp = await bridge.idps.of(name)
    return await probe(bridge.ctx, actor(), there, idp)


@dataclass(frozen=True, slots=True)
class Preview:
    """One agent as the mapping writes it: attribute by attribute. `lacking` is what sync adds to the IdP first."""

    slug: str
    steps: tuple[Step, ...]
    lacking: int


async def preview(bridge: Bridge, name: str, agent: str) -> Preview | None:
    """What would be written for one agent, and from what; None when there is no agent yet. Reads only."""
    reads = bridge.ctx.store.reads
    if not agent:
        known = await all_agents(reads)
        if not known:
            return None
        agent = known[0].slug
    facts = await find_agent(reads, agent)
    if facts is None:
        raise NotFound("agent-unknown", f"There is no agent {agent!r}.", "See `scim-bridge agents list`.")
    there, idp = await bridge.idps.of(name)
    desired = await desired_of(reads, there, [facts.resource.id])
    lacking = await idp.missing()
    steps = await mapping_steps(idp, await rules_of(reads, there.id), desired[facts.resource.id])
    return Preview(facts.slug, tuple(steps), len(lacking))


def local(base_url: str) -> bool:
    """True for an address of this machine: nothing but a rehearsal is disturbed by a conformance run."""
    return urlsplit(base_url).hostname in HERE


async def proved(bridge: Bridge, there: registry.Connection, base_url: str, ca_file: str) -> Report:
    """The vendor's conformance suite against ourselves, with a token that ends with it; all it makes is deleted."""
    store = bridge.ctx.store
    secret = await store.transact(
        actor(),
        lambda work: create_token(
            work, bridge.ctx.master, connection_id=there.id, scopes=CONNECTION_SCOPES, label=PROOF, days=1
        ),
    )
    target = Target(base_url, secret, ca_file=Path(ca_file) if ca_file else None)
    try:
        return await perform(target, there.kind, planned(there.kind, []))
    finally:
        await target.aclose()
        await store.transact(actor(), _ended(there.id))


def _ended(connection_id: str) -> Callable[[Work], Awaitable[None]]:
    async def body(work: Work) -> None:
        rows = await work.tx.all(
            "SELECT id FROM sb_token WHERE connection_id = ? AND label = ? AND revoked IS NULL",
            connection_id,
            PROOF,
        )
        for row in rows:
            await revoke_token(work, row["id"])
        if not rows:
            work.bookkeeping("it was revoked by somebody else")

    return body
