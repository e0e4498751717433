"""What happens here between the vendors' pages: connection, token, credentials, proof, preview. All can be repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, NotFound
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry import connections as registry
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.first_calls import PROOF, first_calls
from scim_bridge.registry.tokens import CONNECTION_SCOPES, create_token, revoke_token
from scim_bridge.sync.facts import desired_of
from scim_bridge.sync.features import probe
from scim_bridge.sync.idp.open import Idps
from scim_bridge.sync.idp.port import Feature
from scim_bridge.sync.mapping import Step
from scim_bridge.sync.one import mapping_steps
from scim_bridge.sync.wanting import rules_of

if TYPE_CHECKING:
    from scim_bridge.conformance.model import Report
    from scim_bridge.conformance.perform import Telling

HERE = ("127.0.0.1", "localhost", "::1")
LABEL = "connect"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a connection is: what has been done already need not be done again.

    `tokens` are the live ones for its IdP, `unused` those of them nobody has called with; `calls` says when each
    kind of call came first.
    """

    there: registry.Connection
    tokens: tuple[str, ...]
    unused: tuple[str, ...]
    heard: bool
    calls: Mapping[str, int]


async def connected(ctx: Context, actor: Actor, name: str, kind: str) -> Standing:
    """The connection, made when there is none. Conflict when it is another kind's."""
    store = ctx.store
    try:
        found = await registry.connection(store.reads, name)
    except NotFound:
        found = await _made(ctx, actor, name, kind)
    if found.kind != kind:
        raise Conflict(
            "connection-kind", f"{name} is a connection to {found.kind}.", "Choose another name for this one."
        )
    return await standing(store.reads, name, store.clock.now())


async def _made(ctx: Context, actor: Actor, name: str, kind: str) -> registry.Connection:
    """A new connection, or the one that was made meanwhile: a double click sends a form twice."""
    try:
        return await ctx.store.transact(
            actor, lambda work: registry.create_connection(work, ctx.master, name, kind)
        )
    except Conflict:
        return await registry.connection(ctx.store.reads, name)


async def standing(reader: Reader, name: str, now: int) -> Standing:
    """How far it is by now."""
    there = await registry.connection(reader, name)
    rows = await reader.all(
        "SELECT id, label, last_used FROM sb_token WHERE connection_id = ? AND client_id IS NULL AND revoked IS NULL"
        " AND (expires IS NULL OR expires > ?) ORDER BY id",
        there.id,
        now,
    )
    # A proof we ran ourselves is no call of the IdP.
    own = [row for row in rows if row["label"] != PROOF]
    unused = tuple(row["id"] for row in own if row["last_used"] is None)
    return Standing(
        there,
        tuple(row["id"] for row in own),
        unused,
        len(unused) < len(own),
        await first_calls(reader, there.id),
    )


async def token(
    ctx: Context,
    actor: Actor,
    there: registry.Connection,
    instead: tuple[str, ...] = (),
    label: str = LABEL,
) -> str:
    """A new token for the IdP; those it stands for, which nobody ever used, are revoked with it."""

    async def make(work: Work) -> str:
        for each in instead:
            await revoke_token(work, each)
        return await create_token(
            work, ctx.master, connection_id=there.id, scopes=CONNECTION_SCOPES, label=label
        )

    return await ctx.store.transact(actor, make)


async def credentialed(
    ctx: Context, actor: Actor, name: str, settings: dict[str, Any], secrets: dict[str, Any]
) -> registry.Connection:
    """The connection with credentials for the way back.

    Those of a real tenant take away what a rehearsal set: else they would be shown to the sandbox.
    """

    async def body(work: Work) -> registry.Connection:
        there = await registry.connection(work.tx, name)
        told = {**left_by_rehearsal(there, settings), **settings}
        return await registry.configure_connection(work, ctx.master, name, settings=told, secrets=secrets)

    return await ctx.store.transact(actor, body)


def left_by_rehearsal(there: registry.Connection, told: Mapping[str, Any]) -> dict[str, None]:
    """Settings that lead to a sandbox on this machine, where `told` names another tenant than the sandbox's. Pure."""
    address = "org_url" if there.kind == "okta" else "graph_url"
    if not local(str(there.settings.get(address) or "")) or local(str(told.get(address) or "")):
        return {}
    names = ("org_url", "tenant_id")
    if all(there.settings.get(name) == told[name] for name in names if name in told):
        return {}
    return dict.fromkeys(name for name in (address, "authority", "ca_file") if name in there.settings)


async def probed(ctx: Context, idps: Idps, actor: Actor, name: str) -> tuple[Feature, ...]:
    """What of the IdP can be used; kept on the connection."""
    there, idp = await idps.of(name)
    return await probe(ctx, actor, there, idp)


@dataclass(frozen=True, slots=True)
class Preview:
    """One agent as the mapping writes it: attribute by attribute. `lacking` is what sync adds to the IdP first."""

    slug: str
    steps: tuple[Step, ...]
    lacking: int


async def preview(ctx: Context, idps: Idps, name: str, agent: str) -> Preview | None:
    """What would be written for one agent, and from what; None when there is no agent yet. Reads only."""
    reads = ctx.store.reads
    if not agent:
        first = await reads.one(
            "SELECT a.slug FROM sb_agent a JOIN sb_resource r ON r.id = a.id WHERE r.deleted IS NULL"
            " ORDER BY a.slug LIMIT 1"
        )
        if first is None:
            return None
        agent = first["slug"]
    facts = await find_agent(reads, agent)
    if facts is None:
        raise NotFound("agent-unknown", f"There is no agent {agent!r}.", "See `scim-bridge agents list`.")
    there, idp = await idps.of(name)
    desired = await desired_of(reads, there, [facts.resource.id])
    if facts.resource.id not in desired:
        raise NotFound(
            "agent-outside", f"{facts.slug} is outside the scope of {there.name}.", "Choose another agent."
        )
    lacking = await idp.missing()
    steps = await mapping_steps(idp, await rules_of(reads, there.id), desired[facts.resource.id])
    return Preview(facts.slug, tuple(steps), len(lacking))


def local(base_url: str) -> bool:
    """True for an address of this machine: nothing but a rehearsal is disturbed by a conformance run."""
    return urlsplit(base_url).hostname in HERE


def length(kind: str) -> int:
    """How many steps the proof of a kind has."""
    from scim_bridge.conformance.catalogue import planned

    return sum(len(suite.steps) for suite in planned(kind, []))


async def proved(
    ctx: Context,
    actor: Actor,
    there: registry.Connection,
    base_url: str,
    ca_file: str = "",
    telling: Telling | None = None,
) -> Report:
    """The vendor's conformance suite against ourselves, with a token that ends with it; all it makes is deleted."""
    from scim_bridge.conformance.catalogue import planned
    from scim_bridge.conformance.perform import perform
    from scim_bridge.conformance.target import Target

    store = ctx.store
    secret = await store.transact(
        actor,
        lambda work: create_token(
            work, ctx.master, connection_id=there.id, scopes=CONNECTION_SCOPES, label=PROOF, days=1
        ),
    )
    target = Target(base_url, secret, ca_file=Path(ca_file) if ca_file else None)
    try:
        return await perform(target, there.kind, planned(there.kind, []), telling)
    finally:
        await target.aclose()
        await store.transact(actor, _ended(there.id))


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
