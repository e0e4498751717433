"""Applying a plan: exactly what was shown, or a refusal that says what moved."""

from __future__ import annotations

from scim_bridge.audit.record import record
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, Conflict, Refused
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.aim import same_aim
from scim_bridge.sync.digests import desired_digest
from scim_bridge.sync.draft import Tell, patiently, untold
from scim_bridge.sync.facts import desired_of
from scim_bridge.sync.idp.port import Idp
from scim_bridge.sync.plan import APPLIED, HELD, KeptChange, Plan, changes_of, make_plan
from scim_bridge.sync.release import persons_needed, release_plan, still_held
from scim_bridge.sync.run import FAILED, note_failure, start_run
from scim_bridge.sync.run import HELD as RUN_HELD
from scim_bridge.sync.strangers import NOBODYS

READINGS = 3


async def apply_now(
    ctx: Context, actor: Actor, connection: Connection, idp: Idp, tell: Tell = untold, *, release: str = ""
) -> str:
    """Make a plan and begin to apply it; the run's id. A failure or the brake is kept as a run as well.

    When agents change while it reads, it reads again, a few times.
    """
    left = READINGS
    while True:
        left -= 1
        try:
            made = await make_plan(ctx, actor, connection, idp, tell, taking=True)
        except BridgeError as error:
            return await _failed(ctx, actor, connection, "reading", error)
        try:
            return await apply_plan(ctx, actor, connection, idp, made, tell, release=release)
        except Conflict:
            if not left:
                raise


async def apply_plan(
    ctx: Context,
    actor: Actor,
    connection: Connection,
    idp: Idp,
    plan: Plan,
    tell: Tell = untold,
    *,
    release: str = "",
) -> str:
    """Begin to apply a kept plan; the run's id. Effects make the changes, one each.

    Conflict when the registry moved since the plan; Refused when it was applied before. A plan the
    brake holds becomes a run in state HELD, unless `release` gives the actor's reason to let it go; a
    mass stop stays held until a second person gives one too.
    """
    if plan.connection_id != connection.id:
        raise Refused("plan-connection", f"This plan is not of {connection.name}.", "See sync status.")
    if plan.state == APPLIED:
        raise Refused("plan-applied", "This plan was applied before.", "Make a new one: sync plan.")
    await same_aim(ctx.store.reads, connection, plan.aim)
    if plan.state == HELD and (why := await _held(ctx, actor, connection, plan, release)):
        return await ctx.store.transact(
            actor, lambda work: note_failure(work, connection.id, "held", RUN_HELD, why, plan)
        )
    changes = await changes_of(ctx.store.reads, plan.id)
    await _unmoved(ctx, connection, changes)
    try:
        await _make_ready(ctx, actor, connection, idp, tell)
    except BridgeError as error:
        return await _failed(ctx, actor, connection, "preparing", error, plan)
    return await ctx.store.transact(actor, lambda work: start_run(work, plan, changes, release))


async def _held(ctx: Context, actor: Actor, connection: Connection, plan: Plan, release: str) -> str:
    if not release.strip():
        # Blanks are nobody's reason.
        return plan.reason
    needed = persons_needed(connection.settings, plan)
    words = await ctx.store.transact(actor, lambda work: release_plan(work, plan, release, needed))
    return still_held(plan, words, needed)


async def _failed(
    ctx: Context,
    actor: Actor,
    connection: Connection,
    stage: str,
    error: BridgeError,
    plan: Plan | None = None,
) -> str:
    reason = error.text()
    return await ctx.store.transact(
        actor, lambda work: note_failure(work, connection.id, stage, FAILED, reason, plan)
    )


async def _unmoved(ctx: Context, connection: Connection, changes: list[KeptChange]) -> None:
    moved = []
    for start in range(0, len(changes), 500):
        part = changes[start : start + 500]
        now = await desired_of(ctx.store.reads, connection, [kept.change.agent_id for kept in part])
        for kept in part:
            if kept.desired == NOBODYS:
                continue
            agent = now.get(kept.change.agent_id)
            if agent is None or desired_digest(agent) != kept.desired:
                moved.append(kept.change.slug)
    if moved:
        more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
        raise Conflict(
            "plan-moved",
            f"Changed here since the plan was made: {', '.join(moved[:5])}{more}.",
            "Nothing was written. Make a new plan: sync plan.",
        )


async def _make_ready(ctx: Context, actor: Actor, connection: Connection, idp: Idp, tell: Tell) -> None:
    steps = await patiently(idp.missing)
    if not steps:
        return
    tell("preparing the tenant", 0)
    await patiently(idp.make_ready)
    made = [f"{step.kind} {step.name}" for step in steps]

    async def body(work: Work) -> None:
        await record(
            work, "sync.prepared", "connection", connection.id, {"made": made}, connection_id=connection.id
        )

    await ctx.store.transact(actor, body)
