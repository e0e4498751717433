"""Parking departures behind the brake: counted in the transaction of the news, so that none slips through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scim_bridge.audit.record import record
from scim_bridge.departures.brake import Brake, Company, Limits, Traffic, tripped
from scim_bridge.departures.cases import add_outcomes, put_in_brake, store_heard
from scim_bridge.departures.facts import lock_agents, owned_by
from scim_bridge.departures.model import Answerable, Case, Fate, Outcome, State, minute
from scim_bridge.kernel import counters
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_facts import facts_of
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.model import OWNER, PersonRef
from scim_bridge.registry.people import agents_answered_for, set_disputed
from scim_bridge.registry.signal import DELETED, Signal

LOCK = "departures-brake"
COUNT = (
    "SELECT COUNT(DISTINCT person_id) AS people,"
    " COUNT(DISTINCT CASE WHEN answers > 0 THEN person_id END) AS owners,"
    " COUNT(DISTINCT CASE WHEN urgent = 1 THEN person_id END) AS urgent"
    " FROM sb_departure WHERE counted > ? AND person_id <> ? AND state <> 'cancelled' AND gone_by <> '[]'"
    " AND drill IS NULL"
)


@dataclass(frozen=True, slots=True)
class Counted:
    """What the brake says of one case: how many agents the person owns, and why it waits (empty: it does not)."""

    answers: int
    why: str = ""
    urgent: bool = False


async def one_by_one(work: Work) -> None:
    """Until this transaction ends nobody else counts a leaver or changes what a brake holds."""
    await work.tx.run(
        "INSERT INTO sb_fact (name, value, changed) VALUES (?, '', ?)"
        " ON CONFLICT (name) DO UPDATE SET changed = excluded.changed",
        LOCK,
        work.now,
    )


async def judge(work: Work, brake: Brake, person: PersonRef, signal: Signal) -> Counted:
    """Count one more leaver, and say whether the case must wait.

    Those who ask at once are counted one after the other: the row they lock is let go with the commit.
    """
    if not brake.on:
        return Counted(0)
    await one_by_one(work)
    owned = await owned_by(work.tx, person.id)
    why = await _why(work, brake, person, signal, len(owned))
    # Who answers for no agent counts, and need not wait: there is nothing to stop.
    if not why or not await agents_answered_for(work.tx, person.id):
        return Counted(len(owned))
    urgent = await _urgent(work, brake, signal, owned)
    if urgent and (await _traffic(work, brake, person.id, "", 0)).urgent < brake.urgent:
        return Counted(len(owned), urgent=True)
    return Counted(len(owned), why)


async def _why(work: Work, brake: Brake, person: PersonRef, signal: Signal, owned: int) -> str:
    on = await work.tx.one(
        "SELECT reason FROM sb_departure_brake WHERE state = 'open' AND source = ?", signal.source
    )
    if on is not None:
        return f"The brake is on for {signal.source}: {on['reason']}"
    own = brake.limits_for(signal.source)
    for limits, source in ((brake.limits, ""), (own, signal.source)):
        if limits is None:
            continue
        traffic = await _traffic(work, brake, person.id, source, owned)
        company = await _company(work, limits, traffic, person)
        why = tripped(limits, traffic, company, brake.window)
        if why:
            return f"{why[:-1]} by {source}." if source else why
    return ""


async def _traffic(work: Work, brake: Brake, person_id: str, source: str, owned: int) -> Traffic:
    by = " AND counted_by = ?" if source else ""
    row = await work.tx.one(COUNT + by, work.now - brake.window, person_id, *((source,) if source else ()))
    assert row is not None
    return Traffic(row["people"] + 1, row["owners"] + (owned > 0), row["urgent"])


async def _company(work: Work, limits: Limits, traffic: Traffic, person: PersonRef) -> Company:
    """Whom the shares are shares of. Counted only as far as it matters, and only when it may matter."""
    people = owners = 0
    if limits.people_percent and traffic.people >= limits.least:
        people = await counters.total(work.tx, "live:person")
    if limits.owners_percent and traffic.owners >= limits.least:
        enough = traffic.owners * 100 // limits.owners_percent + 1
        row = await work.tx.one(
            "SELECT COUNT(*) AS n FROM (SELECT DISTINCT person_id FROM sb_owner WHERE role = ? LIMIT ?) AS few",
            OWNER,
            enough,
        )
        owners = row["n"] if row is not None else 0
    return Company(people, owners)


async def _urgent(work: Work, brake: Brake, signal: Signal, owned: Sequence[str]) -> bool:
    if signal.immediate:
        return True
    if not brake.urgent_risk or not owned:
        return False
    facts = await facts_of(work.tx, list(owned)[:500])
    return any(agent.risk_tier in brake.urgent_risk for agent in facts.values())


async def park(work: Work, brake: Brake, case: Case, person: PersonRef, signal: Signal, why: str) -> Case:
    """Put a case behind the brake: nothing is stopped, the person counts as here, security is told once.

    When the person is being deleted, the agents they own are held: nobody would answer for them. Nothing
    else is done to those either.
    """
    brake_id = await _brake_for(work, brake, signal, case, why)
    parked = replace(case, state=State.HELD, note=f"Held by the brake. {why}", brake_id=brake_id)
    await store_heard(work, parked)
    await put_in_brake(work, parked)
    await set_disputed(work, person.id, work.now)
    detail = {"person": person.user_name, "source": signal.source, "brake": brake_id, "why": why}
    await record(work, "departure.parked", "departure", case.id, detail)
    if signal.kind == DELETED:
        await guard(work, parked, person)
    return parked


async def _brake_for(work: Work, brake: Brake, signal: Signal, case: Case, why: str) -> str:
    """The brake that is on for this door; a new one, and news of it, when none is."""
    row = await work.tx.one(
        "SELECT id FROM sb_departure_brake WHERE state = 'open' AND source = ?", signal.source
    )
    if row is not None:
        return str(row["id"])
    brake_id = work.ids.new()
    await work.tx.run(
        "INSERT INTO sb_departure_brake (id, source, state, reason, opened) VALUES (?, ?, 'open', ?, ?)",
        brake_id,
        signal.source,
        why,
        work.now,
    )
    detail = {"source": signal.source, "reason": why}
    await record(work, "departure.brake_on", "departure-brake", brake_id, detail)
    await _pull_in(work, brake, signal.source, brake_id, why)
    await _tell(work, brake, signal.source, brake_id, case, why)
    return brake_id


async def _pull_in(work: Work, brake: Brake, source: str, brake_id: str, why: str) -> None:
    """What the same door said in this window and was not carried out yet waits with the rest."""
    rows = await work.tx.all(
        "SELECT id, person_id, person FROM sb_departure WHERE state = ? AND counted > ? AND counted_by = ?"
        " AND drill IS NULL ORDER BY id",
        State.PLANNED.value,
        work.now - brake.window,
        source,
    )
    for row in rows:
        await work.tx.run(
            "UPDATE sb_departure SET state = ?, brake_id = ?, note = ? WHERE id = ? AND state = ?",
            State.HELD.value,
            brake_id,
            f"Held by the brake. {why}",
            row["id"],
            State.PLANNED.value,
        )
        await set_disputed(work, row["person_id"], work.now)
        detail = {"person": row["person"], "source": source, "brake": brake_id, "why": why}
        await record(work, "departure.parked", "departure", row["id"], detail)


async def _tell(work: Work, brake: Brake, source: str, brake_id: str, case: Case, why: str) -> None:
    """One notice to security: what waits, and who was carried out before the brake went on."""
    passed = await work.tx.all(
        "SELECT display_name FROM sb_departure WHERE counted > ? AND state NOT IN ('cancelled', 'held', 'planned')"
        " AND gone_by <> '[]' AND drill IS NULL ORDER BY counted DESC LIMIT 50",
        work.now - brake.window,
    )
    data = {
        "brake": brake_id,
        "source": source,
        "reason": why,
        "first": case.display_name,
        "since": minute(work.now),
        "before": [row["display_name"] for row in passed],
    }
    key = f"departures-braked:{brake_id}"
    await outward.notify(work, "departures-braked", None, data, subject_id=brake_id, key=key)


async def guard(work: Work, case: Case, person: PersonRef) -> None:
    """Hold the agents of somebody who is deleted while their case is parked; nothing is revoked."""
    owned = await lock_agents(work, await owned_by(work.tx, person.id))
    facts = await facts_of(work.tx, owned)
    reason = f"Owner {person.display_name} was deleted while their departure waits for the brake"
    release = f"an owner: scim-bridge departures hand-over {case.id} AGENT --to PERSON"
    outcomes = []
    for agent_id in owned:
        found = facts[agent_id]
        if found.owners.owner is None or any(hold.source == case.hold_source for hold in found.holds):
            continue
        await place_hold(work, agent_id, case.hold_source, "owner-deleted", reason, release, case_id=case.id)
        agent = Answerable(agent_id, found.slug, found.owners)
        outcomes.append(Outcome(agent, OWNER, Fate.HELD, found.owners, reason))
    await add_outcomes(work, case.id, outcomes)


async def lift_when_empty(work: Work, brake_id: str | None) -> None:
    """Let a brake go that holds nothing any more: the news was taken back, or went on as urgent."""
    if brake_id is None:
        return
    await one_by_one(work)
    held = await work.tx.one(
        "SELECT 1 AS x FROM sb_departure WHERE brake_id = ? AND state = ? LIMIT 1", brake_id, State.HELD.value
    )
    lifted = 0
    if held is None:
        lifted = await work.tx.run(
            "UPDATE sb_departure_brake SET state = 'lifted', ended = ? WHERE id = ? AND state = 'open'",
            work.now,
            brake_id,
        )
    if lifted:
        detail = {"why": "nothing was left in it"}
        await record(work, "departure.brake_lifted", "departure-brake", brake_id, detail)
