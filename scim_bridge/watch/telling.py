"""Whom an alert is told, and what it does by itself: decided by settings, in the alert's own transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import HOUR
from scim_bridge.kernel.effects import lane
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.holds import place_hold
from scim_bridge.settings.watch import AlertRouteSettings, AlertSettings
from scim_bridge.watch.alerts import HOLD, SOURCE, Alert, at_least, held_by_alert, held_lately

ALERT = "alert"
OPENED, RESOLVED = "alert.opened", "alert.resolved"
ASKED, WITHHELD = "ask", "hold withheld"
# Chats cannot take a message back, so they hear of the beginning only.
HEARS_END = ("webhook", "pagerduty")

Ask = Callable[[Work, str, str], Awaitable[bool]]
"""Asks an agent's owner to attest it anew: the agent's id and why; False when somebody is asked already."""


def wants(route: AlertRouteSettings, kind: str, severity: str) -> bool:
    """Whether a route is told of an alert of this kind and severity."""
    return at_least(severity, route.severity) and (not route.kinds or kind in route.kinds)


async def tell(work: Work, settings: AlertSettings, alert: Alert, event: str) -> None:
    """Write an effect for each route that hears of this; a second time for the same event is none."""
    for route in settings.routes:
        if not wants(route, alert.kind, alert.severity) or (
            event == RESOLVED and route.kind not in HEARS_END
        ):
            continue
        await work.effect(
            ALERT,
            {"alert": alert.id, "route": route.name, "event": event},
            lane=lane(f"alert:{route.name}", alert.id),
            subject_id=alert.agent_id,
            key=f"{alert.id}:{route.name}:{event}",
        )


async def respond(work: Work, settings: AlertSettings, alert: Alert, ask: Ask) -> list[str]:
    """Do what the settings say for such an alert; what was done. Nothing unless they say so."""
    wanted = {
        response.action
        for response in settings.responses
        if at_least(alert.severity, response.severity)
        and (not response.kinds or alert.kind in response.kinds)
    }
    done: list[str] = []
    if HOLD in wanted:
        done.append(await _hold(work, settings, alert))
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
    held = await held_lately(work.tx, work.now)
    if held >= settings.most_holds:
        detail = {"alert": alert.id, "held": held, "most": settings.most_holds}
        await record(work, "alert.hold_withheld", "agent", alert.agent_id, detail, outcome="refused")
        data = {"count": held, "agent": alert.agent, "reason": alert.why}
        hour = work.now // HOUR
        await outward.notify(work, "alert-holds-withheld", None, data, key=f"alert-holds:{hour}")
        return WITHHELD
    release = f"an admin resolves the alert: scim-bridge alerts resolve {alert.id} --reason WHY"
    await place_hold(work, alert.agent_id, SOURCE, f"alert-{alert.kind}", alert.why, release)
    return HOLD
