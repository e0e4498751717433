"""Plans and applies that were asked for from outside: a transaction notes it, the worker reads the IdP.

Nothing calls out inside a request. The result of the effect names the plan, or the run. Asked twice because the
worker died, a plan is made anew, which writes nothing there; an apply finds the run it has begun.
"""

from __future__ import annotations

from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Dead, Done, Effect, Handler, Outcome, Retry
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.apply import apply_plan
from scim_bridge.sync.idp.open import Idps
from scim_bridge.sync.idp.port import IdpError
from scim_bridge.sync.plan import Plan, make_plan
from scim_bridge.sync.plan import plan as kept_plan

PLAN = "sync.plan"
APPLY = "sync.apply"


async def ask_for_plan(work: Work, there: Connection) -> str:
    """Have a plan made; the effect whose result names it."""
    effect = await work.effect(PLAN, _by(work, connection=there.id), lane=f"sync-asked:{there.id}")
    await record(work, "sync.plan_asked", "connection", there.id, {"effect": effect}, connection_id=there.id)
    return effect


async def ask_to_apply(work: Work, plan: Plan, release: str) -> str:
    """Have a kept plan applied; the effect whose result names the run."""
    payload = _by(work, connection=plan.connection_id, plan=plan.id, release=release)
    effect = await work.effect(APPLY, payload, lane=f"sync-asked:{plan.connection_id}")
    detail = {"effect": effect, **({"release": release} if release else {})}
    await record(work, "sync.apply_asked", "plan", plan.id, detail, connection_id=plan.connection_id)
    return effect


def _by(work: Work, **what: str) -> dict[str, Any]:
    who = work.actor
    return {**what, "by": {"kind": who.kind, "id": who.id, "name": who.name, "request_id": who.request_id}}


def handlers(ctx: Context, idps: Idps) -> dict[str, Handler]:
    """The handlers of what was asked for."""

    async def plan(effect: Effect) -> Outcome:
        return await _done(effect, _plan)

    async def apply(effect: Effect) -> Outcome:
        return await _done(effect, _apply)

    async def _plan(effect: Effect) -> dict[str, Any]:
        there, idp = await idps.of(str(effect.payload["connection"]))
        made = await make_plan(ctx, Actor(**effect.payload["by"]), there, idp)
        return {"plan": made.id, "state": made.state}

    async def _apply(effect: Effect) -> dict[str, Any]:
        said = effect.payload
        begun = await ctx.store.reads.one(
            "SELECT id, state FROM sb_run WHERE plan_id = ? AND started >= ? ORDER BY started LIMIT 1",
            str(said["plan"]),
            effect.created,
        )
        if begun is not None:
            return {"run": begun["id"]}
        there, idp = await idps.of(str(said["connection"]))
        plan_ = await kept_plan(ctx.store.reads, str(said["plan"]))
        run = await apply_plan(ctx, Actor(**said["by"]), there, idp, plan_, release=str(said["release"]))
        return {"run": run}

    return {PLAN: plan, APPLY: apply}


async def _done(effect: Effect, act: Any) -> Outcome:
    try:
        return Done(await act(effect))
    except IdpError as error:
        if error.transient:
            after = None if error.retry_after is None else float(error.retry_after)
            return Retry(error.message, after, asked=after is not None)
        return Dead(error.text())
    except BridgeError as error:
        if error.status >= 500:
            return Retry(error.message)
        return Dead(error.text())
