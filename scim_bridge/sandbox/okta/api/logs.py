"""/api/v1/logs: the System Log, bounded or to be polled."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from scim_bridge.sandbox.kit.clock import SECOND, parse_iso
from scim_bridge.sandbox.okta.api import paging, views
from scim_bridge.sandbox.okta.api.gate import Caller, answer
from scim_bridge.sandbox.okta.errors import invalid
from scim_bridge.sandbox.okta.model import expressions
from scim_bridge.sandbox.okta.parts import Parts

DAY = 24 * 3600 * SECOND
WINDOW_DAYS, KEPT_DAYS, REFUSED_DAYS = 7, 90, 180
START = "start"


def routes(parts: Parts) -> list[BaseRoute]:
    """The route of this resource."""
    org = parts.org

    async def list_log_events(request: Request, caller: Caller) -> Response:
        query = request.query_params
        if query.get("since") and query.get("after"):
            raise invalid("after", "after: since and after exclude each other")
        descending = query.get("sortOrder", "ASCENDING").upper() == "DESCENDING"
        polling = not query.get("until") and not descending
        found = [event for event in _kept(parts) if _within(event, query, org.now())]
        if descending:
            found.reverse()
        if cursor := query.get("after"):
            key = paging.key_of(cursor)
            before = key if key != START else ""
            found = [e for e in found if (e["key"] < before if descending else e["key"] > before)]
        found = [event for event in found if _asked_for(event, query)]
        limit = _limit(request)
        shown = found[:limit]
        last = shown[-1]["key"] if shown else (paging.key_of(query["after"]) if query.get("after") else START)
        response = answer([views.event(event) for event in shown])
        more = polling or len(found) > len(shown)
        paging.link(response, request, org.url, paging.cursor_of(last) if more else None)
        return response

    return [parts.gate.route("/api/v1/logs", "logs", GET=list_log_events)]


def _kept(parts: Parts) -> list[dict[str, Any]]:
    oldest = parts.org.now() - KEPT_DAYS * DAY
    return [event for _, event in parts.org.store.all("log") if parse_iso(event["published"]) >= oldest]


def _instant(text: str | None, name: str) -> int | None:
    if not text:
        return None
    try:
        return parse_iso(text)
    except ValueError:
        raise invalid(name, f"{name}: The value is not a date with time and zone") from None


def _within(event: dict[str, Any], query: Any, now: int) -> bool:
    since, until = _instant(query.get("since"), "since"), _instant(query.get("until"), "until")
    if since is not None and since < now - REFUSED_DAYS * DAY:
        raise invalid("since", f"since: The date is more than {REFUSED_DAYS} days ago")
    at = parse_iso(event["published"])
    if since is None and not query.get("after"):
        since = (until or now) - WINDOW_DAYS * DAY
    return (since is None or at >= since) and (until is None or at < until)


def _asked_for(event: dict[str, Any], query: Any) -> bool:
    if expression := query.get("filter"):
        return expressions.compiled(expression, expressions.event_filter())(event)
    words = [word.casefold() for word in query.get("q", "").split()]
    text = str(views.event(event)).casefold() if words else ""
    return all(word in text for word in words)


def _limit(request: Request) -> int:
    given = request.query_params.get("limit", "100")
    if not (given.isascii() and given.isdigit()) or int(given) > 1000:
        raise invalid("limit", "limit: The limit must be between 0 and 1000")
    return int(given)
