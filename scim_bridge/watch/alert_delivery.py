"""Telling an alert to a route: a signed webhook, PagerDuty's Events API v2, or apprise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Dead, Done, Effect, Handler, Outcome, Retry
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.kernel.webhook import NOT_FOLLOWED, PASSING, deliver, retry_after
from scim_bridge.settings.watch import PAGERDUTY, AlertRouteSettings, AlertSettings
from scim_bridge.watch import apprise_target
from scim_bridge.watch.alert_model import Alert
from scim_bridge.watch.alerts import alert
from scim_bridge.watch.baseline_model import HIGH, LOW, MEDIUM
from scim_bridge.watch.telling import ALERT, OPENED, RESOLVED

LONGEST_SUMMARY = 1024
PAGER_SEVERITY = {HIGH: "critical", MEDIUM: "warning", LOW: "info"}


def handlers(ctx: Context, settings: AlertSettings) -> dict[str, Handler]:
    """Who performs effects of kind alert."""
    routes = {route.name: route for route in settings.routes}

    async def perform(effect: Effect) -> Outcome:
        said = effect.payload
        route = routes.get(str(said["route"]))
        if route is None:
            return Dead(f"there is no route {said['route']!r} any more")
        try:
            found = await alert(ctx.store.reads, str(said["alert"]))
        except NotFound as error:
            return Dead(error.message)
        return await send(ctx, route, settings.secrets[route.name], found, str(said["event"]), effect.id)

    return {ALERT: perform}


async def send(
    ctx: Context, route: AlertRouteSettings, secret: str, found: Alert, event: str, message_id: str
) -> Outcome:
    """Tell one alert to one route; `event` is alert.opened or alert.resolved."""
    to = f"the route {route.name}"
    if route.kind == "webhook":
        now = ctx.store.clock.now()
        body = orjson.dumps({"type": event, "timestamp": iso(now), "data": data(ctx, found)})
        return await deliver(ctx.outbound, route.url, secret, message_id, now, body, to=to)
    if route.kind == "pagerduty":
        return await _page(ctx, route.url or PAGERDUTY, secret, found, event, to)
    if event == RESOLVED:
        return Done({"delivered": False, "why": "a chat is told of the beginning only"})
    return await apprise_target.deliver(secret, summary(found), text(ctx, found), to=to)


def data(ctx: Context, found: Alert) -> dict[str, Any]:
    """The alert as a webhook's receiver gets it."""
    return {**found.shown(), "url": f"{ctx.public_url}/console/agents/{found.agent}"}


def summary(found: Alert) -> str:
    """The alert in one line."""
    return f"{found.agent}: {found.kind.replace('-', ' ')} ({found.severity})"


def text(ctx: Context, found: Alert) -> str:
    """The alert for people."""
    lines = [found.why, ""]
    lines += [f"Done by policy: {', '.join(found.response)}", ""] if found.response else []
    lines += [
        f"Agent: {ctx.public_url}/console/agents/{found.agent}",
        f"See it: scim-bridge alerts show {found.id}",
        f"End it: scim-bridge alerts resolve {found.id} --reason WHY",
    ]
    return "\n".join(lines)


def page(ctx: Context, routing_key: str, found: Alert, event: str) -> Mapping[str, Any]:
    """The body for PagerDuty. Its dedup_key is the alert's id: the end finds the incident of the beginning."""
    body: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "trigger" if event == OPENED else "resolve",
        "dedup_key": found.id,
    }
    if event == OPENED:
        body |= {
            "client": "scim-bridge",
            "client_url": f"{ctx.public_url}/console/agents/{found.agent}",
            "payload": {
                "summary": f"{summary(found)}. {found.why}"[:LONGEST_SUMMARY],
                "source": found.agent,
                "severity": PAGER_SEVERITY[found.severity],
                "timestamp": iso(found.first),
                "class": found.kind,
                "custom_details": {"figures": dict(found.figures), "evidence": list(found.evidence)},
            },
        }
    return body


async def _page(ctx: Context, url: str, routing_key: str, found: Alert, event: str, to: str) -> Outcome:
    body = orjson.dumps(page(ctx, routing_key, found, event))
    try:
        answer = await ctx.outbound.send(
            "POST", url, headers={"content-type": "application/json"}, body=body, cut=True
        )
    except OutboundError as error:
        return Retry(f"{to}: {error.text()}") if error.transient else Dead(f"{to}: {error.text()}")
    if 200 <= answer.status < 300:
        return Done({"status": answer.status, "dedup_key": found.id})
    reason = f"{to}: PagerDuty answered {answer.status}"
    if answer.status >= 500 or answer.status in PASSING:
        wait = retry_after(answer.headers.get("retry-after", ""), ctx.store.clock.now())
        return Retry(reason, wait, asked=answer.status == 429)
    if 300 <= answer.status < 400:
        return Dead(f"{reason}; {NOT_FOLLOWED}")
    return Dead(f"{reason}: it does not take this event or this routing key")
