"""Looking at agents with new activity: judge their hours, raise alerts, learn what is whole. A duty of the worker.

Every replica runs it; each agent is looked at in a transaction that holds its baseline, so two never judge
the same hour at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
import structlog

from scim_bridge.kernel.clock import DAY, HOUR, MINUTE
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry.agents import refresh_agent
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.settings.watch import ActivitySettings, AlertSettings
from scim_bridge.watch import baseline
from scim_bridge.watch.activity_store import forget
from scim_bridge.watch.alert_model import THROTTLE, Alert, at_least
from scim_bridge.watch.alerts import add_alert, alert, open_alert, quiet, resolve, seen_again, settled
from scim_bridge.watch.baseline_model import Finding, Hour, Known, State, Unreadable, state_of
from scim_bridge.watch.baseline_store import (
    agents_due,
    hours_since,
    keep_known,
    known,
    known_of,
    mentioned,
)
from scim_bridge.watch.evidence import evidence_for
from scim_bridge.watch.muting import mute_for
from scim_bridge.watch.telling import OPENED, RESOLVED, Ask, respond, slow_again, tell

log = structlog.get_logger("scim_bridge.watch")

PAGE = 200
# Senders collect before they send: an hour is whole so long after its end.
LATE = 15 * MINUTE
# `lastActivity` follows within so long; each step is a write of the agent's row.
STEP = 15 * MINUTE
FORGET_AT_ONCE = 5_000


@dataclass(slots=True)
class _Look:
    """What one look at an agent carries along."""

    agent_id: str
    declared: frozenset[str]
    state: State
    known: set[tuple[str, str]]
    learnt: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)


class Watcher:
    """Judges activity by the baselines of its agents."""

    def __init__(self, ctx: Context, settings: AlertSettings, ask: Ask) -> None:
        self._ctx = ctx
        self._settings = settings
        self._ask = ask

    async def look(self) -> int:
        """Look at every agent with activity that was not judged; how many."""
        looked, after = 0, ""
        while page := await agents_due(self._ctx.store.reads, after, PAGE):
            for agent_id in page:
                await self._ctx.store.transact(
                    SYSTEM, partial(self._one, agent_id=agent_id), about=f"baseline:{agent_id}"
                )
            looked, after = looked + len(page), page[-1]
        return looked

    async def _one(self, work: Work, agent_id: str) -> None:
        work.bookkeeping("what is usual was learnt")
        row = await work.tx.one(
            f"SELECT last, seq, judged, state FROM sb_baseline WHERE agent_id = ?{work.tx.for_update}",
            agent_id,
        )
        if row is None or row["seq"] <= row["judged"]:
            return
        state = _stored(row["state"])
        hours = await hours_since(work.tx, agent_id, state.through if state is not None else 0)
        agent = await _agent(work.tx, agent_id)
        if hours and agent is not None:
            asked = mentioned(hours)
            look = _Look(
                agent_id,
                _declared(agent["doc"]),
                state or baseline.begun(hours[0].hour),
                await known_of(work.tx, agent_id, asked),
            )
            await self._hours(work, look, hours)
            state = look.state
            keep_known(work.tx, agent_id, look.learnt)
            await _active(work, agent_id, agent["last_activity"], row["last"])
        await work.tx.run(
            "UPDATE sb_baseline SET judged = ?, state = ? WHERE agent_id = ?",
            row["seq"],
            None if state is None else state.stored(),
            agent_id,
        )

    async def _hours(self, work: Work, look: _Look, hours: Iterable[Hour]) -> None:
        whole = (work.now - LATE) // HOUR
        for seen in hours:
            usual = baseline.passed(look.state, seen.hour)
            of = known(look.known)
            for found in baseline.judge(usual, seen, of, look.declared, self._settings.learn_days):
                await self._raise(work, look.agent_id, found, of)
            if seen.hour < whole:
                look.state = baseline.learn(usual, seen, of)
                for each in mentioned([seen]):
                    first, _ = look.learnt.get(each, (seen.hour, 0))
                    look.learnt[each] = (first, seen.hour)
                    look.known.add(each)

    async def _raise(self, work: Work, agent_id: str, found: Finding, of: Known) -> None:
        there = await open_alert(work.tx, agent_id, found)
        muted = await mute_for(work.tx, agent_id, found.kind, work.now)
        if there is not None and _same(there, found, muted):
            return
        evidence = await evidence_for(work.tx, agent_id, found, of)
        if there is None:
            if await settled(work.tx, agent_id, found):
                return
            alert_id = await add_alert(work, agent_id, found, evidence, muted)
        else:
            await seen_again(work, there, found, evidence, muted)
            alert_id = there.id
        told = there is not None and there.muted is None and at_least(there.severity, found.severity)
        if muted is None and not told:
            opened = await alert(work.tx, alert_id)
            await tell(work, self._settings, opened, OPENED)
            if there is None or not there.response:
                await respond(work, self._settings, opened, self._ask)
        if muted is None and there is not None and THROTTLE in there.response:
            await slow_again(work, self._settings, await alert(work.tx, alert_id))

    async def end_quiet(self) -> int:
        """Resolve alerts that were not seen again for `resolve_days`; how many."""
        before = self._ctx.store.clock.now() - self._settings.resolve_days * DAY
        ended = 0
        for alert_id in await quiet(self._ctx.store.reads, before, PAGE):
            await self._ctx.store.transact(SYSTEM, partial(self._end, alert_id=alert_id))
            ended += 1
        return ended

    async def _end(self, work: Work, alert_id: str) -> None:
        work.bookkeeping("another process ended it")
        if (await alert(work.tx, alert_id)).state != "open":
            return
        reason = f"not seen again for {self._settings.resolve_days} days"
        await tell(work, self._settings, await resolve(work, alert_id, reason, by_rule=True), RESOLVED)


def _same(there: Alert, found: Finding, muted: str | None) -> bool:
    """Whether a finding says nothing that its open alert does not say already."""
    return (there.hour, there.why, there.muted) == (found.hour, found.why, muted) or there.hour > found.hour


def _stored(stored: bytes | None) -> State | None:
    if stored is None:
        return None
    try:
        return state_of(bytes(stored))
    except Unreadable:
        return None


async def _agent(reader: Reader, agent_id: str) -> Any:
    return await reader.one(
        "SELECT r.doc, a.last_activity FROM sb_resource r JOIN sb_agent a ON a.id = r.id"
        " WHERE r.id = ? AND r.deleted IS NULL",
        agent_id,
    )


def _declared(doc: bytes) -> frozenset[str]:
    extension = orjson.loads(doc).get(AGENT_URN) or {}
    return frozenset(tool.casefold() for tool in extension.get("tools") or () if isinstance(tool, str))


async def _active(work: Work, agent_id: str, shown: int | None, last: int) -> None:
    """Keep when the agent was last active; its SCIM document, and so its version, follows once a day at most."""
    if last - (shown or 0) < STEP:
        return
    await work.tx.run("UPDATE sb_agent SET last_activity = ? WHERE id = ?", last, agent_id)
    if last // DAY > (shown or 0) // DAY:
        await refresh_agent(work, agent_id)


async def forget_old(ctx: Context, settings: ActivitySettings) -> int:
    """Delete events and sums that are past their days, some thousands in one transaction; how many rows."""
    now, gone = ctx.store.clock.now(), 0
    received, hour = now - settings.keep_days * DAY, (now - settings.sums_days * DAY) // HOUR

    async def body(work: Work) -> int:
        work.bookkeeping("old activity is not kept")
        return await forget(work.tx, received, hour, FORGET_AT_ONCE)

    while True:
        last = await ctx.store.transact(SYSTEM, body)
        gone += last
        if last < FORGET_AT_ONCE:
            return gone
