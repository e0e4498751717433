"""What the clock asks of departures: leave dates that came, agents that came too late, cases and receipts to end."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from random import shuffle

import structlog

from scim_bridge.audit.record import record
from scim_bridge.departures.accepting import lapse
from scim_bridge.departures.cases import due_cases, locked, store_heard, store_state
from scim_bridge.departures.execute import execute, execute_deleted
from scim_bridge.departures.model import Case, State
from scim_bridge.departures.opening import decided
from scim_bridge.departures.progress import advance
from scim_bridge.departures.receipt import sign_waiting
from scim_bridge.departures.rules import RULES, Rules
from scim_bridge.departures.status import page_late, page_unowned
from scim_bridge.departures.strays import owners_gone
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry.people_refs import people
from scim_bridge.registry.resources import find

AT_ONCE = 200
FEW = 3

log = structlog.get_logger("scim_bridge.departures")


async def due(ctx: Context, rules: Rules = RULES) -> int:
    """Carry out planned cases whose leave date came, and those the brake let go; how many.

    Also decides on agents that came to a leaver since, goes on where a successor did not accept, closes
    cases whose last effects ended without a word (dropped), signs receipts that wait, and tells security of
    what is late or was taken over by nobody.
    """
    done = carried_out = await _carry_out(ctx, rules)
    while carried_out >= AT_ONCE // 2:
        done += (carried_out := await _carry_out(ctx, rules))
    for person_id in await owners_gone(ctx.store.reads):
        await ctx.store.transact(SYSTEM, partial(_stray, rules=rules, person_id=person_id))
    await lapse(ctx, rules)
    await _close_quiet(ctx)
    await sign_waiting(ctx)
    await page_late(ctx)
    await page_unowned(ctx, rules.policies.escalate)
    return done


async def _carry_out(ctx: Context, rules: Rules) -> int:
    done = 0
    cases = await due_cases(ctx.store.reads, ctx.store.clock.now(), AT_ONCE)
    if len(cases) > FEW:
        # Replicas that took them in one order would wait for each other's locks all the way.
        shuffle(cases)
    for case in cases:
        try:
            done += await ctx.store.transact(SYSTEM, partial(_due, rules=rules, planned=case))
        except StoreUnavailable:
            raise
        except Exception:
            # One case that cannot be carried out must not keep the others waiting.
            log.exception("departure.failed", action="departure.failed", case=case.id)
    return done


async def _stray(work: Work, rules: Rules, person_id: str) -> None:
    """A leaver who owns an agent that may act: a case of its own for what came since."""
    work.bookkeeping("another process decided on it, or the person is back")
    found = await find(work.tx, person_id, lock=work.tx.for_update)
    if found is not None:
        await decided(work, rules, (await people(work.tx, [person_id]))[person_id])


async def _due(work: Work, rules: Rules, planned: Case) -> int:
    found = await find(work.tx, planned.person_id, lock=work.tx.for_update)
    case = await locked(work, planned.id)
    if case is None or case.state is not State.PLANNED or case.effective_at > work.now:
        work.bookkeeping("another process carried this departure out")
        return 0
    if found is None and case.brake_id is not None:
        await execute_deleted(work, case)
        return 1
    if found is None:
        note = "The person was deleted before the leave date."
        await store_heard(work, replace(case, gone_by=(), note=note))
        await store_state(work, replace(case, state=State.CANCELLED))
        await record(
            work, "departure.cancelled", "departure", case.id, {"person": case.person, "reason": note}
        )
        return 0
    await execute(work, rules, case, (await people(work.tx, [found.id]))[found.id])
    return 1


async def _close_quiet(ctx: Context) -> None:
    """Close cases whose last effect was dropped: no worker reports that."""
    rows = await ctx.store.reads.all(
        "SELECT d.id FROM sb_departure d WHERE d.state IN ('open', 'stuck') AND NOT EXISTS"
        " (SELECT 1 FROM sb_effect e WHERE e.case_id = d.id AND e.state IN ('pending', 'handed', 'dead'))"
    )
    for row in rows:
        await ctx.store.transact(SYSTEM, partial(_quiet, case_id=row["id"]))


async def _quiet(work: Work, case_id: str) -> None:
    work.bookkeeping("another process closed this case")
    await advance(work, case_id)
