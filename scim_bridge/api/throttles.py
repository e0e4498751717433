"""Throttles: agents that may act only so often for a while; slowing one down and letting it go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scim_bridge.api.agents import found
from scim_bridge.api.model import Asked, Operation, Page, Parameter, changes, lists
from scim_bridge.api.shapes import AT, TEXT, Schema, closed, many, page_of, ref, text, whole
from scim_bridge.kernel.clock import MINUTE, iso
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.frequency import read_frequency
from scim_bridge.kernel.work import Work
from scim_bridge.registry.throttles import Pace, place_throttle, release_throttles, throttles

TAG = "Throttles"
ADMIN = "admin"
SCHEMAS: Mapping[str, Schema] = {
    "Throttle": closed(
        {
            "id": TEXT,
            "agent": TEXT,
            "source": TEXT,
            "code": TEXT,
            "reason": TEXT,
            "placed": AT,
            "placed_by": TEXT,
            "until": AT,
            "pace": TEXT,
        }
    ),
}


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "placed": iso(row["placed"]), "until": iso(row["until"])}


async def list_(asked: Asked) -> Page:
    """GET /throttles."""
    name = asked.query.get("agent")
    of = None if name is None else (await found(replace(asked, path={"agent": name}))).resource.id
    after = (int(asked.after[0]), str(asked.after[1])) if asked.after else (0, "")
    rows = await throttles(asked.reader, asked.now, of, after=after, limit=asked.reach)
    kept, key = asked.cut(rows, lambda last: [last["until"], last["id"]])
    return Page([_shown(row) for row in kept], key)


async def of_agent(asked: Asked) -> dict[str, Any]:
    """What slows the agent of the path down now."""
    of = await found(asked)
    return {"items": [_shown(row) for row in await throttles(asked.reader, asked.now, of.resource.id)]}


async def slow(work: Work, asked: Asked) -> None:
    """POST /agents/{agent}/throttle."""
    of, body = await found(asked), asked.body
    try:
        calls, span = read_frequency(body["rate"])
    except ValueError as error:
        raise Invalid("throttle-rate", f"{error}.", "Write a rate as 10/m, say.") from error
    pace = Pace(calls, span, int(body.get("burst", calls)))
    work.bookkeeping("it is slowed down so already")
    until = work.now + int(body["minutes"]) * MINUTE
    await place_throttle(work, of.resource.id, ADMIN, ADMIN, body["reason"], pace, until)


async def let_go(work: Work, asked: Asked) -> None:
    """POST /agents/{agent}/unthrottle."""
    of = await found(asked)
    work.bookkeeping("nothing slows it down")
    await release_throttles(work, of.resource.id, asked.body["reason"], asked.body.get("source", ""))


NOW = closed({"items": many(ref("Throttle"))})
OPERATIONS: tuple[Operation, ...] = (
    lists(
        *(
            TAG,
            "listThrottles",
            "/throttles",
            "Agents that are slowed down now, what ends first on top",
            list_,
        ),
        page_of("Throttle"),
        Parameter("agent", text(), "of one agent, by any of its names"),
    ),
    changes(
        *(TAG, "throttleAgent", "POST", "/agents/{agent}/throttle", "Let an agent act only so often", slow),
        NOW,
        closed(
            {
                "rate": text("10/s, 100/m, 500/h, 2000/d", most=40),
                "burst": whole("at once after a quiet time; as many as the rate", least=1, most=1_000_000),
                "minutes": whole(least=1, most=366 * 24 * 60),
                "reason": text("audited, and told in the answers"),
            },
            ("rate", "minutes", "reason"),
        ),
        shown=of_agent,
        about="It ends by itself. A second one replaces the rate and keeps the later end; one that an alert placed"
        " counts beside it. The answer: all that slows it down now.",
    ),
    changes(
        *(
            TAG,
            "unthrottleAgent",
            "POST",
            "/agents/{agent}/unthrottle",
            "Let it act as its budgets say",
            let_go,
        ),
        NOW,
        closed(
            {"reason": text("audited"), "source": text("only that one's: admin, watch", most=40)}, ("reason",)
        ),
        shown=of_agent,
    ),
)
