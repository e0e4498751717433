"""Provision on demand: one agent brought up to date at one IdP, with every step told in its order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.model import AGENT
from scim_bridge.registry.outward import IDP_PUSH, idp_lane
from scim_bridge.sync.claims import anothers
from scim_bridge.sync.difference import Difference, difference
from scim_bridge.sync.digests import canonical
from scim_bridge.sync.drift import reading_of, spared
from scim_bridge.sync.facts import desired_of, pushed_of
from scim_bridge.sync.idp.port import DesiredAgent, Idp, Observed, Wanted
from scim_bridge.sync.mapping import Step, traced
from scim_bridge.sync.pushed import Pushed
from scim_bridge.sync.run import open_run
from scim_bridge.sync.scoping import outside
from scim_bridge.sync.wanting import Rules, rules_of, wanted_there

FOUND = "registry"
SCOPE = "scope"
READY = "tenant"
MAPPING = "mapping"
LOOKED = "look-up"
DIFFERENCE = "difference"


@dataclass(frozen=True, slots=True)
class Told:
    """One step: its name, what came of it in words, and the facts behind that."""

    step: str
    what: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that is known before a write. `held` says why it must not be written without a person's
    word, `stopped` why it cannot be at all; both empty when nothing is wrong.
    """

    agent_id: str
    slug: str
    steps: tuple[Told, ...]
    found: Difference = field(default_factory=lambda: Difference(None))
    held: str = ""
    stopped: str = ""

    @property
    def digest(self) -> str:
        """The same for two looks that would write the same; empty when nothing would be written."""
        change = self.found.change
        if change is None:
            return ""
        return hashlib.sha256(
            canonical([change.action, change.remote_id, change.before, change.after])
        ).hexdigest()


async def look_at(ctx: Context, connection: Connection, idp: Idp, name: str) -> Look:
    """Say what would be done for one agent and why, step by step; reads only.

    `name` is the agent's id, slug, userName or workload id; NotFound when there is none. IdpError when
    the IdP cannot be read.
    """
    reads = ctx.store.reads
    facts = await find_agent(reads, name)
    if facts is None:
        raise NotFound("agent-unknown", f"There is no agent {name!r}.", "See `scim-bridge agents list`.")
    agent_id = facts.resource.id
    out = await outside(reads, connection, {agent_id: facts})
    agent = (await desired_of(reads, connection, [agent_id])).get(agent_id)
    steps = [_registry(facts.slug, facts.resource.version, agent)]
    scope = str(connection.settings.get("scope") or "")
    steps.append(Told(SCOPE, "outside" if out else "inside", {"scope": scope or "every agent"}))
    if agent is None:
        return Look(
            agent_id, facts.slug, tuple(steps), stopped=f"It is outside the scope of {connection.name}."
        )
    lacking = [f"{step.kind} {step.name}" for step in await idp.missing()]
    steps.append(Told(READY, f"lacks {', '.join(lacking[:4])}" if lacking else "ready", {"lacks": lacking}))
    if lacking:
        why = f"{connection.name} is not ready: {', '.join(lacking[:4])} first. sync apply {connection.name} adds it."
        return Look(agent_id, facts.slug, tuple(steps), stopped=why)
    rules = await rules_of(reads, connection.id)
    rows = await mapping_steps(idp, rules, agent)
    steps += [Told(MAPPING, row.fate, mapping_detail(row)) for row in rows]
    pushed = await pushed_of(reads, connection.id, agent_id)
    known = {} if pushed is None else {agent_id: pushed}
    wanted = (await wanted_there(idp, rules, [agent], known))[agent_id]
    observed = await idp.observe(agent, (pushed.remote_id or None) if pushed else None)
    steps.append(_looked_up(agent, wanted, pushed, observed))
    if why := await anothers(reads, connection.id, agent.slug, agent_id, observed, pushed):
        return Look(agent_id, facts.slug, tuple(steps), stopped=why)
    drifts = reading_of(connection, idp, rules).drifts(agent, wanted, observed, pushed)
    found = difference(agent, spared(wanted, drifts), observed, pushed)
    steps.append(_difference(found))
    return Look(
        agent_id, facts.slug, tuple(steps), found, await _held(ctx, connection, pushed, observed, found)
    )


def _registry(slug: str, version: int, agent: DesiredAgent | None) -> Told:
    detail: dict[str, Any] = {"agent": slug, "version": version}
    if agent is None:
        return Told(FOUND, "found", detail)
    detail["owner"] = None if agent.owner is None else agent.owner.user_name
    what = "found, may act" if agent.enabled else f"found, held: {'; '.join(agent.holds)}"
    return Told(FOUND, what, detail)


async def mapping_steps(idp: Idp, rules: Rules, agent: DesiredAgent) -> list[Step]:
    """What the adapter and the rules make of each attribute of an agent; reads people at the IdP."""
    default = (await idp.wanted([agent]))[agent.agent_id]
    return traced(rules, agent, default, await idp.targets())


def mapping_detail(row: Step) -> dict[str, Any]:
    """A mapping step as facts."""
    detail = {"target": row.target, "source": row.source, "value": row.value}
    if row.when:
        detail["when"] = row.when
    return {**detail, "note": row.note} if row.note else detail


def _looked_up(agent: DesiredAgent, wanted: Wanted, pushed: Pushed | None, observed: Observed | None) -> Told:
    tried = [f"id {pushed.remote_id}"] if pushed is not None and pushed.remote_id else []
    tried += [f"our mark {agent.agent_id}", *(f"name {name}" for name in wanted.match)]
    if observed is None:
        return Told(LOOKED, "not there", {"tried": tried})
    if pushed is not None and observed.remote_id == pushed.remote_id:
        how = "found by the id it was written under"
    else:
        how = "found by our mark" if observed.agent_id == agent.agent_id else "found by its name"
    return Told(LOOKED, how, {"tried": tried, "remote": observed.remote_id, "name": observed.name})


def _difference(found: Difference) -> Told:
    if found.change is None:
        return Told(DIFFERENCE, "none", {"notes": list(found.notes)})
    change = found.change
    attributes = [
        {"name": name, "old": change.before.get(name), "new": value, "why": found.reasons.get(name, "")}
        for name, value in change.after.items()
    ]
    detail = {"action": change.action, "attributes": attributes, "notes": list(found.notes)}
    many = "1 attribute" if len(attributes) == 1 else f"{len(attributes)} attributes"
    return Told(DIFFERENCE, f"{change.action}: {many}", detail)


async def _held(
    ctx: Context, connection: Connection, pushed: Pushed | None, observed: Observed | None, found: Difference
) -> str:
    if found.change is None:
        return ""
    running = await open_run(ctx.store.reads, connection.id)
    if running is not None:
        return f"Run {running.id} of {connection.name} is not finished: see sync status."
    if pushed is not None and pushed.remote_id and not pushed.retired and observed is None:
        # What the brake asks of a listing: what was written and is not there may be a bad answer.
        return f"It was written there as {pushed.remote_id} and is gone; it would be made a second time."
    return ""


async def ask_for(work: Work, connection: Connection, look: Look, release: str) -> str:
    """Write the effect that brings this one agent up to date, in its lane; the effect's id. Audited."""
    payload = {
        "connection_id": connection.id,
        "agent_id": look.agent_id,
        "reason": "provision on demand",
        "on_demand": True,
    }
    effect = await work.effect(
        IDP_PUSH, payload, lane=idp_lane(connection.id, look.agent_id), subject_id=look.agent_id
    )
    change = look.found.change
    detail: dict[str, Any] = {
        "connection": connection.name,
        "action": None if change is None else change.action,
        "attributes": [] if change is None else sorted(change.after),
    }
    if release.strip():
        detail |= {"released": release, "held": look.held}
    await record(work, "sync.one", AGENT, look.agent_id, detail, connection_id=connection.id)
    return effect
