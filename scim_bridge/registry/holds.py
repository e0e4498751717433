"""Holds: why an agent may not act. Placed and released by one source each; never by another."""

from __future__ import annotations

from dataclasses import replace

from scim_bridge.audit.record import record
from scim_bridge.kernel.errors import Moved
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.model import AGENT, Hold, PersonRef, pointed
from scim_bridge.registry.people_refs import people
from scim_bridge.registry.standing import Standing, changed, save, standing

RELEASE = "UPDATE sb_hold SET released = ?, released_by = ? WHERE id = ? AND released IS NULL"


async def place_hold(
    work: Work,
    agent_id: str,
    source: str,
    code: str,
    reason: str,
    release: str,
    *,
    case_id: str | None = None,
) -> bool:
    """Hold an agent for one source; False when that source already holds it.

    `source` is connection:<id>, departure:<case>, attestation, watch, admin, expiry or deletion.
    `release` says in plain words what would release it. From the commit every decision denies.
    """
    before = await standing(work, agent_id, AGENT)
    after = await held(work, before, source, code, reason, release, case_id=case_id)
    if after is not before:
        save(work, before, after)
    return after is not before


async def held(
    work: Work,
    agent: Standing,
    source: str,
    code: str,
    reason: str,
    release: str,
    *,
    case_id: str | None = None,
) -> Standing:
    """The agent held by this source too, to be saved; the same one when that source holds it already."""
    if agent.held_by(source) is not None:
        return agent
    agent_id = agent.resource.id
    hold = Hold(work.ids.new(), source, code, reason, release, work.now, work.actor.name)
    after = await _with_holds(work, agent, (*agent.derived.holds, hold), "agent.stop", reason, case_id)
    work.tx.later(
        "INSERT INTO sb_hold (id, agent_id, source, code, reason, release, placed, placed_by)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        hold.id,
        agent_id,
        source,
        code,
        reason,
        release,
        work.now,
        work.actor.name,
        # The same source placed one at the same time: the body runs again and sees it.
        taken=Moved,
    )
    detail = {"source": source, "code": code, "reason": reason}
    await record(work, "agent.held", AGENT, agent_id, detail | _switched(agent, after))
    return after


async def restate_hold(work: Work, agent_id: str, source: str, code: str, reason: str, release: str) -> bool:
    """Give this source's open hold a newer reason; False when it holds nothing. The agent stays held."""
    before = await standing(work, agent_id, AGENT)
    hold = before.held_by(source)
    if hold is None:
        return False
    work.tx.later(
        "UPDATE sb_hold SET code = ?, reason = ?, release = ? WHERE id = ?", code, reason, release, hold.id
    )
    await record(
        work, "agent.hold_restated", AGENT, agent_id, {"source": source, "code": code, "reason": reason}
    )
    told = replace(hold, code=code, reason=reason, release=release)
    holds = tuple(told if one is hold else one for one in before.derived.holds)
    save(work, before, changed(before, derived=replace(before.derived, holds=holds)))
    await outward.push_to_idps(work, agent_id, reason)
    return True


async def release_hold(
    work: Work, agent_id: str, source: str, reason: str, *, case_id: str | None = None
) -> bool:
    """Release this source's hold only; False when it holds nothing. Other holds stand."""
    before = await standing(work, agent_id, AGENT)
    after = await released(work, before, source, reason, case_id=case_id)
    if after is not before:
        save(work, before, after)
    return after is not before


async def released(
    work: Work, agent: Standing, source: str, reason: str, *, case_id: str | None = None
) -> Standing:
    """The agent without this source's hold, to be saved; the same one when that source holds nothing."""
    hold = agent.held_by(source)
    if hold is None:
        return agent
    holds = tuple(one for one in agent.derived.holds if one is not hold)
    after = await _with_holds(work, agent, holds, "agent.resume", reason, case_id)
    work.tx.later(RELEASE, work.now, work.actor.name, hold.id, must=1)
    detail = {"source": source, "code": hold.code, "reason": reason}
    await record(work, "agent.hold_released", AGENT, agent.resource.id, detail | _switched(agent, after))
    return after


async def let_go(work: Work, agent: Standing, source: str, reason: str) -> None:
    """Release this source's hold on an agent that is about to be deleted: nothing resumes, nobody is told."""
    hold = agent.held_by(source)
    if hold is None:
        return
    work.tx.later(RELEASE, work.now, work.actor.name, hold.id, must=1)
    detail = {"source": source, "reason": reason}
    await record(work, "agent.hold_released", AGENT, agent.resource.id, detail)


def _switched(before: Standing, after: Standing) -> dict[str, str]:
    """What the audit says when an agent stops or may act again: not every hold changes that."""
    if before.resource.active == after.resource.active:
        return {}
    return {"switched": "on" if after.resource.active else "off"}


async def _with_holds(
    work: Work, before: Standing, holds: tuple[Hold, ...], event: str, reason: str, case_id: str | None
) -> Standing:
    """Tell runtime, owner and IdPs when the holds changed; resume only when none is left."""
    after = changed(before, derived=replace(before.derived, holds=holds))
    agent_id = before.resource.id
    switched = before.resource.active != after.resource.active
    # The owner of record is the one who left: a case tells the people concerned itself, once each.
    tells = switched and case_id is None
    # Read before anything is written: a read sends what waits on its way.
    owner = await _owner(work, after) if tells else None
    stop = event == "agent.stop"
    await outward.push_to_idps(work, agent_id, reason, case_id=case_id, stop=stop)
    if switched:
        await outward.call_runtime(work, after, event, reason, case_id=case_id)
    if tells:
        template = "agent-resumed" if after.resource.active else "agent-held"
        data = {"agent": after.slug, "reason": reason, "holds": [hold.reason for hold in holds]}
        await outward.notify(work, template, owner, data, subject_id=agent_id)
    return after


async def _owner(work: Work, agent: Standing) -> PersonRef | None:
    owner = pointed(agent.resource.doc).owner
    return None if owner is None else (await people(work.tx, [owner["value"]])).get(owner["value"])
