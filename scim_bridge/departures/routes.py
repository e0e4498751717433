"""The API of departures, for admins: cases, one case, its receipt."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.departures.cases import find_case
from scim_bridge.departures.receipt import export
from scim_bridge.departures.view import listed, shown
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.web import endpoint, json_response
from scim_bridge.registry.callers import api_caller

CASE_ID = re.compile(r"[0-9a-f-]{1,36}")
PAGE = 100
MAX_PAGE = 500


def routes(ctx: Context) -> list[BaseRoute]:
    """GET /api/v1/departures, /api/v1/departures/{id} and /api/v1/departures/{id}/receipt."""

    @endpoint
    async def many(request: Request) -> Response:
        await api_caller(ctx, request, "admin")
        query = request.query_params
        limit, before = _limit(query.get("limit")), query.get("before")
        if before is not None and not CASE_ID.fullmatch(before):
            raise Invalid("before", "before is not the id of a case.", "Take it from the previous page.")
        rows = await listed(ctx.store.reads, state=query.get("state"), before=before, limit=limit)
        following = rows[-1]["id"] if len(rows) == limit else None
        return json_response({"departures": rows, "before": following})

    @endpoint
    async def one(request: Request) -> Response:
        await api_caller(ctx, request, "admin")
        name = request.path_params["id"]
        return json_response(await shown(ctx.store.reads, name, ctx.store.clock.now()))

    @endpoint
    async def receipt(request: Request) -> Response:
        await api_caller(ctx, request, "admin")
        return json_response(await export(ctx, await find_case(ctx.store.reads, request.path_params["id"])))

    return [
        Route("/api/v1/departures", many),
        Route("/api/v1/departures/{id}", one),
        Route("/api/v1/departures/{id}/receipt", receipt),
    ]


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_PAGE):
        raise Invalid("limit", "limit is not a number between 1 and 500.", "Leave it out for 100.")
    return int(text[:9])
