"""Whom an alert is told, and what it does by itself: decided by settings, in the alert's own transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import HOUR, MINUTE, iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.frequency import read_frequency
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import Work, derived_id
from scim_bridge.registry import outward
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.throttles import Pace, last_throttle, place_throttle, slowed_since
from scim_bridge.settings.watch import AlertResponseSettings, AlertRouteSettings, AlertSettings
from scim_bridge.watch.alert_model import HOLD, THROTTLE, Alert, at_least
from scim_bridge.watch.alerts import SOURCE, held_by_alert, held_lately

ALERT = "alert"
OPENED, RESOLVED = "alert.opened", "alert.resolved"
ASKED, WITHHELD, NOT_SLOWED = "ask", "hold withheld", "throttle withheld"
# The advisory lock of counting responses; a number of its own.
COUNTING = 7_264_003
# Chats cannot take a message back, so they hear of the beginning only.
HEARS_END = ("webhook", "pagerduty")

Ask = Callable[[Work, str, str], Awaitable[bool]]
"""Asks an agent's owner to attest it anew: the agent's id and why; False when somebody is asked already."""


def wants(route: AlertRouteSettings, kind: str, severity: str) -> bool:
    """Whether a route is told of an alert of this kind and severity."""
    return at_least(severity, route.severity) and (not route.kinds or kind in route.kinds)


async def tell(work: Work, settings: AlertSettings, alert: Alert, event: str) -> None:
    """Write an effect for each route that hears of this; a second time for the same event is none.

    A route has one lane: what waits for its next try holds a place among the worker's calls, and a route that does
    not answer holds no more than one. The first of its alerts asks again with growing pauses, the others behind it.
    """
    for route in settings.routes:
        if not wants(route, alert.kind, alert.severity) or (
            event == RESOLVED and route.kind not in HEARS_END
        ):
            continue
        await work.effect(
            ALERT,
            {"alert": alert.id, "route": route.name, "event": event},
            lane=f"alert:{route.name}",
            subject_id=alert.agent_id,
            key=_key(alert, route.name, event),
        )


async def told(reader: Reader, settings: AlertSettings, alert: Alert) -> list[dict[str, Any]]:
    """How far each route was told of an alert: state, attempts, the last reason, and when it is tried next."""
    calls = {
        derived_id(ALERT, _key(alert, route.name, event)): (route.name, event)
        for route in settings.routes
        for event in (OPENED, RESOLVED)
    }
    if not calls:
        return []
    rows = await reader.all(
        "SELECT id, state, attempts, last_error, settled, next_at FROM sb_effect"
        f" WHERE id IN ({marks(len(calls))}) ORDER BY created, id",
        *calls,
    )
    return [
        {
            "route": calls[row["id"]][0],
            "event": calls[row["id"]][1],
            "effect": row["id"],
            "state": row["state"],
            "attempts": row["attempts"],
            "error": row["last_error"] or None,
            "settled": iso(row["settled"]) if row["settled"] else None,
            "next_try": iso(row["next_at"]) if row["state"] in ("pending", "handed") else None,
        }
        for row in rows
    ]


def _key(alert: Alert, route: str, event: str) -> str:
    return f"{alert.id}:{route}:{event}"


async def respond(work: Work, settings: AlertSettings, alert: Alert, ask: Ask) -> list[str]:
    """Do what the settings say for such an alert; what was done. Nothing unless they say so."""
    wanted = {response.action for response in _fitting(settings, alert)}
    done: list[str] = []
    if HOLD in wanted:
        done.append(await _hold(work, settings, alert))
    if THROTTLE in wanted and HOLD not in done:
        # Also where a hold was withheld: an agent that is slow does less harm meanwhile.
        done.append(await _throttle(work, settings, alert))
    if ASKED in wanted and await ask(work, alert.agent_id, f"Something odd was seen: {alert.why}"):
        done.append(ASKED)
    if done:
        await work.tx.run(
            "UPDATE sb_alert SET response = ? WHERE id = ?", orjson.dumps(done).decode(), alert.id
        )
    return done


async def _hold(work: Work, settings: AlertSettings, alert: Alert) -> str:
    """Hold the agent, unless so many were held within the hour that the rules are more likely wrong than they."""
    if await held_by_alert(work.tx, alert.agent_id):
        # One hold for all alerts of an agent: it counts once, and goes with the last of them.
        return HOLD
    await _one_at_a_time(work)
    held = await held_lately(work.tx, work.now)
    if held >= settings.most_holds:
        await _withheld(work, settings, alert, HOLD, held)
        return WITHHELD
    release = f"an admin resolves the alert: scim-bridge alerts resolve {alert.id} --reason WHY"
    await place_hold(work, alert.agent_id, SOURCE, f"alert-{alert.kind}", alert.why, release)
    return HOLD


async def _throttle(work: Work, settings: AlertSettings, alert: Alert) -> str:
    """Slow the agent down, unless so many were within the hour that the rules are more likely wrong than they."""
    await _one_at_a_time(work)
    known = await last_throttle(work.tx, alert.agent_id, SOURCE)
    if known is None or known["ended"] is not None or known["until"] <= work.now:
        slowed = await slowed_since(work.tx, SOURCE, work.now - HOUR)
        if slowed >= settings.most_holds:
            await _withheld(work, settings, alert, THROTTLE, slowed)
            return NOT_SLOWED
    await _slow(work, settings, alert)
    return THROTTLE


async def slow_again(work: Work, settings: AlertSettings, alert: Alert) -> None:
    """What slowed an agent down is seen again: the time begins anew, unless a person ended the throttle."""
    known = await last_throttle(work.tx, alert.agent_id, SOURCE)
    if known is not None and known["ended_by"] is None:
        await _slow(work, settings, alert)


async def _slow(work: Work, settings: AlertSettings, alert: Alert) -> None:
    fitting = [one for one in _fitting(settings, alert) if one.action == THROTTLE]
    if not fitting:
        # The settings changed since.
        return
    paces = [(read_frequency(one.rate), one) for one in fitting]
    # Of several the slowest counts.
    (calls, span), chosen = min(paces, key=lambda each: each[0][0] / each[0][1])
    until = work.now + chosen.minutes * MINUTE
    pace = Pace(calls, span, chosen.burst or calls)
    await place_throttle(work, alert.agent_id, SOURCE, f"alert-{alert.kind}", alert.why, pace, until)


def _fitting(settings: AlertSettings, alert: Alert) -> list[AlertResponseSettings]:
    return [
        response
        for response in settings.responses
        if at_least(alert.severity, response.severity)
        and (not response.kinds or alert.kind in response.kinds)
    ]


async def _one_at_a_time(work: Work) -> None:
    """Two replicas that count at the same moment would both find room for the last one."""
    if work.tx.backend == "postgresql":
        await work.tx.one("SELECT pg_advisory_xact_lock(?::bigint)", COUNTING)


async def _withheld(work: Work, settings: AlertSettings, alert: Alert, what: str, count: int) -> None:
    detail = {"alert": alert.id, "count": count, "most": settings.most_holds}
    await record(work, f"alert.{what}_withheld", "agent", alert.agent_id, detail, outcome="refused")
    words = {HOLD: ("held", "hold"), THROTTLE: ("slowed down", "slow down")}[what]
    data = {"count": count, "agent": alert.agent, "reason": alert.why, "done": words[0], "by_hand": words[1]}
    key = f"alert-{what}s:{work.now // HOUR}"
    await outward.notify(work, "alert-holds-withheld", None, data, key=key)
