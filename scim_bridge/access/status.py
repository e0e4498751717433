"""How an agent stands, for gateways that keep an answer: one agent with an ETag, and a feed of what changed.

The feed follows the places of the audit's rows, which are given after the commit and never filled later, so
that a cursor can miss nothing. It tells how each agent stands now, not what happened: reading an entry twice,
or one that is older than what is known already, does no harm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.access.facts import facts_about, facts_of
from scim_bridge.access.model import Facts, stops
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, Invalid, NotFound
from scim_bridge.kernel.web import JSON, endpoint, json_response
from scim_bridge.registry.callers import api_caller
from scim_bridge.registry.model import AGENT

ONE = "/access/v1/agents/{name:path}/status"
FEED = "/access/v1/status"
# Rows of the audit looked through, and agents told of, at once.
LOOKED_AT = 2000
TOLD = 500


def routes(ctx: Context) -> list[BaseRoute]:
    """The two addresses."""
    door = StatusDoor(ctx)
    return [
        Route(ONE, endpoint(door.one), methods=["GET"]),
        Route(FEED, endpoint(door.feed), methods=["GET"]),
    ]


def told(facts: Facts, now: int) -> dict[str, Any]:
    """How an agent stands, with each hold in words; the same until something changes or it expires."""
    return {
        "id": facts.id,
        "slug": facts.slug,
        "active": not stops(facts, now),
        "reasons": [{"id": reason.id, "text": reason.text} for reason in stops(facts, now)],
        "holds": [hold.told() for hold in facts.holds],
        "throttles": [
            {"source": one.source, "reason": one.reason, "pace": one.pace.words(), "until": iso(one.until)}
            for one in facts.slowed(now)
        ],
        "expires_at": None if facts.expires_at is None else iso(facts.expires_at),
        "attestation": facts.attestation.state,
    }


def gone(agent_id: str) -> dict[str, Any]:
    """How an agent stands that is deleted."""
    text = "The agent was deleted."
    return {"id": agent_id, "active": False, "deleted": True, "reasons": [{"id": "deleted", "text": text}]}


def etag(body: object) -> str:
    """A strong entity tag: the same answer, byte by byte, has the same (RFC 9110 section 8.8.3)."""
    return f'"{hashlib.sha256(orjson.dumps(body)).hexdigest()[:32]}"'


def matches(header: str, tag: str) -> bool:
    """True when If-None-Match names this tag, compared weakly (RFC 9110 section 13.1.2)."""
    given = {one.strip().removeprefix("W/") for one in header.split(",")}
    return tag in given or "*" in given


class StatusDoor:
    """Tells gateways how agents stand."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def one(self, request: Request) -> Response:
        """GET, by id, slug, userName or workload id → 200 with ETag, or 304 when it stands as before."""
        await api_caller(self._ctx, request, "access")
        name = request.path_params["name"]
        found = await facts_about(self._ctx.store.reads, name) if "\0" not in name else []
        if not found:
            raise NotFound("agent-unknown", f"There is no agent {name!r}.", "It may not act.")
        if len(found) > 1:
            raise Conflict("agent-ambiguous", f"{name!r} names more than one agent.", "Ask by id.")
        body = told(found[0], self._ctx.store.clock.now())
        headers = {"etag": etag(body), "cache-control": "private, no-cache"}
        if matches(request.headers.get("if-none-match", ""), headers["etag"]):
            return Response(status_code=304, headers=headers)
        return Response(orjson.dumps(body), media_type=JSON, headers=headers)

    async def feed(self, request: Request) -> Response:
        """GET ?since=CURSOR → 200 {agents, cursor, more}; without a cursor every agent that may not act, first."""
        await api_caller(self._ctx, request, "access")
        store = self._ctx.store
        kind, place, after = _cursor(request.query_params.get("since", ""))
        if kind == "held":
            return json_response(await _held(store.reads, place, after, store.clock.now()))
        return json_response(await _changed(store.reads, place, store.clock.now()))


def _cursor(text: str) -> tuple[str, int, str]:
    """Where a reader is: among those held at the start (`held.SEQ.ID`), or in what came since (`seq.SEQ`)."""
    if not text:
        return "held", -1, ""
    parts = text.split(".", 2)
    known = parts[0] in ("held", "seq") and len(parts) == (3 if parts[0] == "held" else 2)
    if not known or not parts[1].isascii() or not parts[1].isdigit() or len(parts[1]) > 18 or "\0" in text:
        raise Invalid(
            "cursor-invalid", f"since={text[:60]!r} is not a cursor.", "Send the cursor of the answer before."
        )
    return parts[0], int(parts[1]), parts[2] if len(parts) == 3 else ""


async def _last(reader: Reader) -> int:
    row = await reader.one("SELECT MAX(seq) AS seq FROM sb_audit WHERE seq IS NOT NULL")
    return (row["seq"] or 0) if row is not None else 0


async def _held(reader: Reader, place: int, after: str, now: int) -> dict[str, Any]:
    """A page of the agents that may not act. What changes while they are read comes again from `place` on."""
    if place < 0:
        place = await _last(reader)
    rows = await reader.all(
        "SELECT r.id FROM sb_resource r JOIN sb_agent a ON a.id = r.id WHERE r.kind = ? AND r.deleted IS NULL"
        " AND r.id > ? AND (r.active = 0 OR a.expires_at <= ?) ORDER BY r.id LIMIT ?",
        AGENT,
        after,
        now,
        TOLD,
    )
    found = await facts_of(reader, [row["id"] for row in rows])
    more = len(rows) == TOLD
    cursor = f"held.{place}.{rows[-1]['id']}" if more else f"seq.{place}"
    return {"agents": [told(facts, now) for facts in found], "cursor": cursor, "more": more}


async def _changed(reader: Reader, place: int, now: int) -> dict[str, Any]:
    newest = await _last(reader)
    if place > newest:
        # The database was restored to a moment before: whoever waited here for more would miss what came since.
        raise Invalid(
            "cursor-ahead",
            f"since=seq.{place} is further than anything happened.",
            "Begin again without since.",
        )
    last = min(newest, place + LOOKED_AT)
    rows = await reader.all(
        "SELECT subject_id AS id, MAX(seq) AS latest FROM sb_audit WHERE seq > ? AND seq <= ?"
        " AND subject_kind = ? AND subject_id IS NOT NULL GROUP BY subject_id ORDER BY latest LIMIT ?",
        place,
        last,
        AGENT,
        TOLD + 1,
    )
    ids = [row["id"] for row in rows[:TOLD]]
    if len(rows) > TOLD:
        last = rows[TOLD - 1]["latest"]
    more = last < await _last(reader)
    return {"agents": await _standing(reader, ids, now), "cursor": f"seq.{last}", "more": more}


async def _standing(reader: Reader, ids: Sequence[str], now: int) -> list[dict[str, Any]]:
    found = {facts.id: facts for facts in await facts_of(reader, ids)}
    return [told(found[one], now) if one in found else gone(one) for one in ids]
