"""The API of departures, for admins: cases, one case, its receipt, and the brake."""

from __future__ import annotations

import re

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.departures.cases import find_case
from scim_bridge.departures.receipt import export
from scim_bridge.departures.releasing import Approver, Verdict, brakes, held_people, reject, release
from scim_bridge.departures.rules import RULES, Rules
from scim_bridge.departures.view import listed, shown
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Invalid, NotFound, Refused
from scim_bridge.kernel.web import endpoint, json_response
from scim_bridge.kernel.work import Work
from scim_bridge.registry.callers import api_caller

CASE_ID = re.compile(r"[0-9a-f-]{1,36}")
PAGE = 100
MAX_PAGE = 500
MAX_BODY = 8192


def approver_of(label: str | None, token_id: str) -> Approver:
    """Whom a token speaks for: its label, however often it was rotated. Refused for a token without one."""
    if not label:
        raise Refused(
            "approver-nameless",
            f"The token {token_id[-6:]} says nobody's name.",
            "Make one for each person: scim-bridge tokens create --scope admin --label NAME.",
        )
    return Approver(label.casefold(), label, f"token …{token_id[-6:]}")


def routes(ctx: Context, rules: Rules = RULES) -> list[BaseRoute]:
    """GET /api/v1/departures, /api/v1/departures/{id}, /api/v1/departures/{id}/receipt, and
    /api/v1/departure-brakes with POST {id}/release and {id}/reject."""

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

    @endpoint
    async def inbox(request: Request) -> Response:
        await api_caller(ctx, request, "admin")
        every = request.query_params.get("all") == "true"
        return json_response({"brakes": await brakes(ctx.store.reads, rules.brake, every=every)})

    @endpoint
    async def held(request: Request) -> Response:
        await api_caller(ctx, request, "admin")
        return json_response({"cases": await held_people(ctx.store.reads, request.path_params["id"])})

    @endpoint
    async def letting_go(request: Request) -> Response:
        caller = await api_caller(ctx, request, "admin")
        brake_id, verdict = request.path_params["id"], request.path_params["verdict"]
        if verdict not in ("release", "reject"):
            raise NotFound("route", f"A brake knows no {verdict!r}.", "POST …/release or …/reject.")
        reason = await _reason(request)
        label = None if caller.name == f"token {caller.id[-6:]}" else caller.name
        who = approver_of(label, caller.id)

        async def change(work: Work) -> Verdict:
            if verdict == "reject":
                return await reject(work, brake_id, who, reason)
            return await release(work, rules.brake, brake_id, who, reason)

        done = await ctx.store.transact(caller, change)
        return json_response({"state": done.state, "cases": done.cases, "still_needed": done.missing})

    return [
        Route("/api/v1/departure-brakes", inbox),
        Route("/api/v1/departure-brakes/{id}", held),
        Route("/api/v1/departure-brakes/{id}/{verdict}", letting_go, methods=["POST"]),
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


async def _reason(request: Request) -> str:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise Invalid("brake-reason", "The body is too long.", 'Send {"reason": "why"}.')
    try:
        said = orjson.loads(raw)
    except orjson.JSONDecodeError:
        said = None
    reason = said.get("reason") if isinstance(said, dict) else None
    if not isinstance(reason, str):
        raise Invalid("brake-reason", "The body has no reason.", 'Send {"reason": "why"}.')
    return reason
