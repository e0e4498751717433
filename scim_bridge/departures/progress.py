"""How far a case is: closed when every effect is done, stuck while one is dead."""

from __future__ import annotations

from dataclasses import replace

from scim_bridge.audit.record import record
from scim_bridge.departures.cases import locked, outcomes_of, store_state
from scim_bridge.departures.model import Case, State
from scim_bridge.departures.receipt import issue
from scim_bridge.kernel.effects import Effect
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward

RUNNING = (State.OPEN, State.STUCK)


async def advance(work: Work, case_id: str) -> Case | None:
    """Move a decided case on by the state of its effects; None when there is nothing to move.

    Dropped effects count as finished: somebody took responsibility for them, and the receipt says so.
    """
    case = await locked(work, case_id)
    if case is None or case.state not in RUNNING:
        return None
    rows = await work.tx.all(
        "SELECT state, COUNT(*) AS n, MAX(settled) AS last FROM sb_effect WHERE case_id = ? GROUP BY state",
        case_id,
    )
    counts = {row["state"]: row["n"] for row in rows}
    if counts.get("dead"):
        return await _stand(work, case, State.STUCK)
    if counts.get("pending") or counts.get("handed"):
        return await _stand(work, case, State.OPEN)
    # Another process may have settled the last but one after this transaction began.
    ended = max([work.now, *(row["last"] for row in rows if row["last"] is not None)])
    closed = await _stand(work, replace(case, closed_at=ended), State.CLOSED)
    await issue(work, closed, await outcomes_of(work.tx, case_id))
    return closed


async def _stand(work: Work, case: Case, state: State) -> Case:
    if case.state is state:
        return case
    moved = replace(case, state=state)
    await store_state(work, moved)
    await record(work, f"departure.{state.value}", "departure", case.id, {"person": case.person})
    return moved


async def settled(work: Work, effect: Effect, state: str, reason: str) -> None:
    """The settled hook of the effect engine: the case of this effect is one step further, or stuck.

    A dead effect is told to the security contact, once per case.
    """
    if effect.case_id is None:
        return
    case = await advance(work, effect.case_id)
    if case is None or state != "dead":
        return
    data = {"case": case.id, "person": case.display_name, "step": effect.kind, "reason": reason}
    # Not a step of the case: were it one, a dead notice about a dead notice would follow.
    await outward.notify(
        work, "departure-stuck", None, data, subject_id=case.person_id, key=f"departure-stuck:{case.id}"
    )
