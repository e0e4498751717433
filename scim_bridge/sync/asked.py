"""What is asked for from outside and needs the IdP: a transaction notes it, the worker does it.

Plans, applies, one agent at a time, strangers that become agents. Nothing calls out inside a request. The result of
the effect names the plan, the run, the steps or the agent. Asked twice because the worker died, a plan is made anew,
which writes nothing there; an apply finds the run it has begun.
"""

from __future__ import annotations

from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Dead, Done, Effect, Handler, Outcome, Retry
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.progress import Progress
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.adopting import adopt_as
from scim_bridge.sync.apply import apply_plan
from scim_bridge.sync.idp.open import Idps
from scim_bridge.sync.idp.port import IdpError
from scim_bridge.sync.meaning import meaning_of
from scim_bridge.sync.one import ask_for, look_at
from scim_bridge.sync.plan import Plan, make_plan
from scim_bridge.sync.plan import plan as kept_plan
from scim_bridge.sync.run import HELD
from scim_bridge.sync.wanting import rules_of

PLAN = "sync.plan"
APPLY = "sync.apply"
ONE = "sync.one"
ADOPT = "sync.adopt"


async def ask_for_plan(work: Work, there: Connection) -> str:
    """Have a plan made; the effect whose result names it."""
    effect = await work.effect(
        PLAN, _by(work, connection=there.id), lane=lane_of(there.id), subject_id=there.id
    )
    await record(work, "sync.plan_asked", "connection", there.id, {"effect": effect}, connection_id=there.id)
    return effect


async def ask_to_apply(work: Work, plan: Plan, release: str) -> str:
    """Have a kept plan applied; the effect whose result names the run."""
    payload = _by(work, connection=plan.connection_id, plan=plan.id, release=release)
    effect = await work.effect(
        APPLY, payload, lane=lane_of(plan.connection_id), subject_id=plan.connection_id
    )
    detail = {"effect": effect, **({"release": release} if release else {})}
    await record(work, "sync.apply_asked", "plan", plan.id, detail, connection_id=plan.connection_id)
    return effect


async def ask_for_one(work: Work, there: Connection, agent: str, *, seen: str = "", release: str = "") -> str:
    """Have one agent looked at, step by step; with `seen` (`Look.digest`) written too, if it is still that."""
    payload = _by(work, connection=there.id, agent=agent, seen=seen, release=release)
    effect = await work.effect(ONE, payload, lane=lane_of(there.id), subject_id=there.id)
    detail = {"agent": agent, "effect": effect, "write": bool(seen)}
    await record(work, "sync.one_asked", "connection", there.id, detail, connection_id=there.id)
    return effect


async def ask_to_adopt(work: Work, there: Connection, remote: str, slug: str, owner: str, reason: str) -> str:
    """Have a stranger made a new agent: what its attributes mean only its adapter knows."""
    payload = _by(work, connection=there.id, remote=remote, slug=slug, owner=owner, reason=reason)
    effect = await work.effect(ADOPT, payload, lane=lane_of(there.id), subject_id=there.id)
    detail = {"remote": remote, "slug": slug, "effect": effect}
    await record(work, "sync.adopt_asked", "connection", there.id, detail, connection_id=there.id)
    return effect


def lane_of(connection_id: str) -> str:
    """The lane of what is asked for about a connection."""
    return f"sync-asked:{connection_id}"


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
        progress = Progress(ctx.store, effect.id)
        try:
            made = await make_plan(
                ctx,
                Actor(**effect.payload["by"]),
                there,
                idp,
                lambda what, count: progress.tell({"what": what, "done": count}),
            )
        finally:
            await progress.close()
        return {"plan": made.id, "state": made.state}

    async def _apply(effect: Effect) -> dict[str, Any]:
        said = effect.payload
        begun = await ctx.store.reads.one(
            # One that is held began nothing: another person's word may have come before it was told.
            "SELECT id FROM sb_run WHERE plan_id = ? AND started >= ? AND state <> ? ORDER BY started LIMIT 1",
            str(said["plan"]),
            effect.created,
            HELD,
        )
        if begun is not None:
            return {"run": begun["id"]}
        there, idp = await idps.of(str(said["connection"]))
        plan_ = await kept_plan(ctx.store.reads, str(said["plan"]))
        run = await apply_plan(ctx, Actor(**said["by"]), there, idp, plan_, release=str(said["release"]))
        return {"run": run}

    async def one(effect: Effect) -> Outcome:
        return await _done(effect, _one)

    async def adopt(effect: Effect) -> Outcome:
        return await _done(effect, _adopt)

    async def _one(effect: Effect) -> dict[str, Any]:
        said = effect.payload
        there, idp = await idps.of(str(said["connection"]))
        look = await look_at(ctx, there, idp, str(said["agent"]))
        told = {
            "agent": look.slug,
            "steps": [
                {"step": step.step, "what": step.what, "detail": dict(step.detail)} for step in look.steps
            ],
            "held": look.held,
            "stopped": look.stopped,
            "seen": look.digest,
        }
        if not said["seen"]:
            return told
        if look.stopped or look.digest != said["seen"]:
            return {**told, "moved": True}
        if look.held and not said["release"]:
            return told
        actor, release = Actor(**said["by"]), str(said["release"])
        push = await ctx.store.transact(actor, lambda work: ask_for(work, there, look, release))
        return {**told, "push": push}

    async def _adopt(effect: Effect) -> dict[str, Any]:
        said = effect.payload
        there, idp = await idps.of(str(said["connection"]))
        meaning = meaning_of(idp, await rules_of(ctx.store.reads, there.id))
        agent_id = await ctx.store.transact(
            Actor(**said["by"]),
            lambda work: adopt_as(
                work, there, said["remote"], said["slug"], said["owner"], said["reason"], meaning
            ),
        )
        return {"agent": said["slug"], "agent_id": agent_id}

    return {PLAN: plan, APPLY: apply, ONE: one, ADOPT: adopt}


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
