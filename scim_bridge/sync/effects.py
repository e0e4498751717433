"""What sync does after the commit: one planned change written, or one agent brought up to date.

Both observe first and write only what differs, so doing them twice changes nothing. A stop overtakes what
is under way for the same agent: whoever finds that the agent changed while it wrote has it looked at again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Dead, Done, Effect, Handler, Outcome, Retry
from scim_bridge.kernel.errors import Invalid, NotFound, Refused
from scim_bridge.kernel.work import SYSTEM, URGENT, Work
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.model import AGENT
from scim_bridge.registry.outward import IDP_PUSH, push_to_idp
from scim_bridge.sync.claims import anothers
from scim_bridge.sync.difference import difference
from scim_bridge.sync.digests import desired_digest
from scim_bridge.sync.drift import reading_of, spared
from scim_bridge.sync.drift_keeping import written_over
from scim_bridge.sync.facts import desired_of, pushed_of, remember, state_of
from scim_bridge.sync.idp.open import Idps
from scim_bridge.sync.idp.port import CREATE, RETIRE, Idp, IdpError, ObjectChange
from scim_bridge.sync.idp.rate import urgently
from scim_bridge.sync.plan import change as kept_change
from scim_bridge.sync.pushed import Pushed, announced, remembered
from scim_bridge.sync.retiring import retire_nobodys
from scim_bridge.sync.run import SYNC_CHANGE, ever_applied, settle_change
from scim_bridge.sync.since_planned import left_to_do, moved
from scim_bridge.sync.strangers import NOBODYS
from scim_bridge.sync.wanting import rules_of, wanted_there

WRITTEN = "written"
ALREADY = "already so"
MOVED = "moved"
CANCELLED = "cancelled"
SKIPPED = "skipped"

State = tuple[Any, ...]
Act = Callable[[Effect], Awaitable[Outcome]]


def handlers(ctx: Context, idps: Idps | None = None) -> dict[str, Handler]:
    """The handlers of this room's effects. `idps` is shared with who else opens tenants and closes them."""
    writer = _Writer(ctx, idps or Idps(ctx))
    return {IDP_PUSH: _judged(writer.push), SYNC_CHANGE: _judged(writer.change)}


def _judged(act: Act) -> Handler:
    """Turn an IdP's refusal into an outcome: try again when that can help, else park this one object."""

    async def handler(effect: Effect) -> Outcome:
        try:
            with urgently(effect.rank == URGENT):
                return await act(effect)
        except IdpError as error:
            if error.transient:
                after = None if error.retry_after is None else float(error.retry_after)
                return Retry(error.message, after, asked=after is not None)
            if error.refuses_us:
                # Nothing is wrong with this object: it is written when the credentials are mended.
                return Retry(error.text())
            return Dead(error.text())
        except (Invalid, NotFound, Refused) as error:
            return Dead(error.text())

    return handler


async def settled(work: Work, effect: Effect, state: str, reason: str) -> None:
    """The settled hook: counts a planned change in its run, however it ended."""
    if effect.kind != SYNC_CHANGE:
        return
    change_id = str(effect.payload["change_id"])
    if state != "done":
        await settle_change(work, change_id, "parked", reason)
        return
    row = await work.tx.one("SELECT result FROM sb_effect WHERE id = ?", effect.id)
    result = orjson.loads(row["result"]) if row is not None and row["result"] else {}
    ended = {MOVED: "moved", CANCELLED: "cancelled"}.get(result.get("outcome", ""), "done")
    await settle_change(work, change_id, ended, str(result.get("why") or ""))


class _Writer:
    """Performs the effects of sync."""

    def __init__(self, ctx: Context, idps: Idps) -> None:
        self._ctx = ctx
        self._idps = idps

    async def push(self, effect: Effect) -> Outcome:
        """Bring one agent up to date at one IdP."""
        reads = self._ctx.store.reads
        agent_id = str(effect.payload["agent_id"])
        asked = effect.payload.get("on_demand")
        if not asked and not await ever_applied(reads, effect.payload["connection_id"]):
            # Nobody has let us write to this tenant yet: the first plan is shown to a person.
            return _done(SKIPPED, "no plan was applied to this connection yet")
        connection, idp = await self._idps.of(effect.payload["connection_id"])
        state = await state_of(reads, agent_id)
        agent = (await desired_of(reads, connection, [agent_id])).get(agent_id)
        pushed = await pushed_of(reads, connection.id, agent_id)
        if agent is None or (agent.deleted and pushed is None):
            return _done(SKIPPED, "the agent was never written there, or is outside the connection's scope")
        rules = await rules_of(reads, connection.id)
        known = {} if pushed is None else {agent_id: pushed}
        wanted = (await wanted_there(idp, rules, [agent], known))[agent_id]
        observed = await idp.observe(agent, (pushed.remote_id or None) if pushed else None)
        if why := await anothers(reads, connection.id, agent.slug, agent_id, observed, pushed):
            return _done(SKIPPED, why)
        drifts = reading_of(connection, idp, rules).drifts(agent, wanted, observed, pushed)
        found = difference(agent, spared(wanted, drifts), observed, pushed)
        if found.change is None:
            retired = pushed if agent.deleted and pushed is not None and not pushed.retired else None
            return Done(
                {"outcome": ALREADY, "why": "; ".join(found.notes)},
                None if retired is None else _note_retired(connection.id, retired),
            )
        if effect.rank == URGENT and found.change.action == CREATE:
            # Two lanes that both create would make two objects; there is nothing to stop yet.
            reason = str(effect.payload["reason"])
            return Done(
                {"outcome": SKIPPED, "why": "not there yet: it is created in its turn"},
                _pushed_again(connection, agent_id, reason),
            )
        return await self._write(connection, idp, found.change, pushed, state)

    async def change(self, effect: Effect) -> Outcome:
        """Make one planned change, if the plan still fits."""
        reads = self._ctx.store.reads
        kept = await kept_change(reads, str(effect.payload["change_id"]))
        if kept is None:
            return Dead("the plan of this change is gone")
        if kept.state == "cancelled":
            return _done(CANCELLED, kept.reason)
        connection, idp = await self._idps.of(effect.payload["connection_id"])
        planned = kept.change
        if kept.desired == NOBODYS:
            return await retire_nobodys(connection, idp, planned)
        state = await state_of(reads, planned.agent_id)
        agent = (await desired_of(reads, connection, [planned.agent_id])).get(planned.agent_id)
        if agent is None or desired_digest(agent) != kept.desired:
            why = "the agent changed here since the plan was made"
            if agent is None:
                return _done(MOVED, why)
            # What was pushed for the change may have come before an earlier attempt of this one.
            again = _pushed_again(connection, agent.agent_id, why, stop=not agent.enabled)
            return Done({"outcome": MOVED, "why": why}, again)
        pushed = await pushed_of(reads, connection.id, planned.agent_id)
        known = planned.remote_id or ((pushed.remote_id or None) if pushed else None)
        observed = await idp.observe(agent, known)
        why = await anothers(reads, connection.id, agent.slug, agent.agent_id, observed, pushed)
        if why := why or moved(planned, observed):
            return _done(MOVED, why)
        left = left_to_do(planned, observed)
        if not left.after:
            # Done by an earlier attempt whose answer was lost, or by a push in between.
            commit = self._commit(connection, left, left.remote_id or "", pushed, state)
            return Done({"outcome": ALREADY}, commit)
        return await self._write(connection, idp, left, pushed, state)

    async def _write(
        self, connection: Connection, idp: Idp, change: ObjectChange, pushed: Pushed | None, state: State
    ) -> Outcome:
        if early := announced(change, pushed):
            pushed = await self._announce(connection, change, pushed, early)
        remote_id = await idp.write(change)
        done = {"outcome": WRITTEN, "action": change.action, "attributes": sorted(change.after)}
        return Done(done, self._commit(connection, change, remote_id, pushed, state))

    async def _announce(
        self, connection: Connection, change: ObjectChange, pushed: Pushed | None, early: dict[str, Any]
    ) -> Pushed | None:
        """Note what we do before we do it: were the answer lost, it would pass for the IdP's own doing.

        What is remembered now; `pushed` again when somebody else wrote meanwhile, whom the commit has to heed.
        """

        async def body(work: Work) -> Pushed | None:
            work.bookkeeping("a stop or a membership is about to be written at an IdP")
            found = await pushed_of(work.tx, connection.id, change.agent_id, work.tx.for_update)
            now = found or Pushed(change.agent_id, "", {})
            remote_id = change.remote_id or now.remote_id
            await remember(work, connection.id, change.agent_id, remote_id, now.attributes, begun=early)
            return (
                replace(now, remote_id=remote_id, written=work.now, begun=early)
                if found == pushed
                else pushed
            )

        return await self._ctx.store.transact(SYSTEM, body)

    def _commit(
        self,
        connection: Connection,
        change: ObjectChange,
        remote_id: str,
        pushed: Pushed | None,
        state: State,
    ) -> Callable[[Work], Awaitable[None]]:
        async def body(work: Work) -> None:
            retired = change.action == RETIRE
            meanwhile = await pushed_of(work.tx, connection.id, change.agent_id, work.tx.for_update)
            attributes = remembered(change, pushed, meanwhile)
            if await state_of(work.tx, change.agent_id) != state:
                why = "it changed here while it was written"
                await push_to_idp(work, connection.id, change.agent_id, why, stop=True, again=True)
            await remember(work, connection.id, change.agent_id, remote_id, attributes, retired=retired)
            if not change.after:
                return
            written_over(work, connection.id, change.agent_id, change.after)
            detail = {
                "connection": connection.name,
                "action": change.action,
                "attributes": sorted(change.after),
                "remote": remote_id,
            }
            await record(work, "agent.pushed", AGENT, change.agent_id, detail, connection_id=connection.id)

        return body


def _pushed_again(
    connection: Connection, agent_id: str, reason: str, *, stop: bool = False
) -> Callable[[Work], Awaitable[None]]:
    async def body(work: Work) -> None:
        await push_to_idp(work, connection.id, agent_id, reason, stop=stop, again=True)

    return body


def _note_retired(connection_id: str, pushed: Pushed) -> Callable[[Work], Awaitable[None]]:
    async def body(work: Work) -> None:
        await remember(
            work, connection_id, pushed.agent_id, pushed.remote_id, pushed.attributes, retired=True
        )

    return body


def _done(outcome: str, why: str) -> Done:
    return Done({"outcome": outcome, "why": why})
