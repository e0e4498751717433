"""Leave of absence: agents are delegated or held for the time, nothing is revoked, and all comes back after it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.departures.accepting import is_asked
from scim_bridge.departures.cases import outcomes_of, store_heard
from scim_bridge.departures.model import ABSENCE, Case, Fate
from scim_bridge.departures.returning import restore
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_facts import facts_of
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.holds import release_hold
from scim_bridge.registry.model import CO_OWNER, OWNER, SPONSOR, Owners, PersonRef
from scim_bridge.registry.people import set_on_leave
from scim_bridge.registry.people_refs import people


async def end(work: Work, case: Case, person: PersonRef) -> int:
    """Give back what was delegated for the time; how many agents.

    What was decided otherwise meanwhile stays: an agent that was handed over by hand, or has another owner
    than the delegate.
    """
    await set_on_leave(work, person.id, False)
    back = 0
    for row in await outcomes_of(work.tx, case.id):
        facts = (await facts_of(work.tx, [row["agent_id"]])).get(row["agent_id"])
        if facts is None or row["returned"] is not None:
            continue
        if row["resolved"] is not None or not _as_left(row, facts.owners, person):
            await release_hold(work, row["agent_id"], case.hold_source, f"{person.display_name} is back")
            continue
        reason = f"{person.display_name} is back from leave"
        await restore(work, case, row["agent_id"], person, row["role"], reason)
        await _as_before(work, row["agent_id"], row["before"])
        back += 1
    detail = {"person": person.user_name, "given_back": back}
    await record(work, "departure.absence_ended", "departure", case.id, detail)
    return back


def _as_left(row: Any, owners: Owners, person: PersonRef) -> bool:
    owner, fate = owners.owner, row["fate"]
    if fate == Fate.HELD.value:
        return owner is None or owner.id == person.id
    if fate == Fate.HANDED_OVER.value:
        return owner is not None and is_asked(row, owner)
    return True


async def _as_before(work: Work, agent_id: str, before: str | None) -> None:
    """Everybody in the role they had, as far as they are still here; who came since stays."""
    said: dict[str, list[str]] = orjson.loads(before) if before else {}
    now = (await facts_of(work.tx, [agent_id]))[agent_id].owners
    known = await people(work.tx, [person_id for ids in said.values() for person_id in ids])
    here = {person_id: person for person_id, person in known.items() if person.active}

    def of(role: str, since: tuple[PersonRef, ...]) -> tuple[PersonRef, ...]:
        then = tuple(here[one] for one in said.get(role, ()) if one in here)
        everybody = {one for ids in said.values() for one in ids}
        return (*then, *(person for person in since if person.id not in everybody))

    owner = of(OWNER, ())
    if owner:
        await set_owners(
            work, agent_id, Owners(owner[0], of(CO_OWNER, now.co_owners), of(SPONSOR, now.sponsors))
        )


async def overtaken(work: Work, case: Case, person: PersonRef) -> None:
    """Somebody on leave has left for good: the absence ends without giving anything back.

    What it held is for the departure to decide: see `let_go`.
    """
    await store_heard(work, replace(case, gone_by=(), note="They left for good during this absence."))
    await set_on_leave(work, person.id, False)
    detail = {"person": person.user_name}
    await record(work, "departure.absence_overtaken", "departure", case.id, detail)


async def let_go(work: Work, case: Case, agent_ids: Iterable[str]) -> None:
    """Release what an overtaken absence held of agents that the departure has decided on."""
    for agent_id in agent_ids:
        await release_hold(work, agent_id, case.hold_source, "Decided by the departure that followed.")


def is_absence(case: Case | None) -> bool:
    """True for a live case of an absence."""
    return case is not None and case.kind == ABSENCE and case.live
