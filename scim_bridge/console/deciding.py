"""Access decisions: what gateways were told, one whole, and why an agent is denied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote, urlencode

from starlette.requests import Request

from scim_bridge.access.history import Kept, Wanted, agent_named, decision, decisions, why
from scim_bridge.console.addresses import agent_url
from scim_bridge.console.boards import Board, Box, board
from scim_bridge.console.door import Screen
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import first_of, page_of
from scim_bridge.console.quiet import quietly
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, GOOD, Cell, Table, Tile
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader

DECISIONS = f"{PATH}/decisions"
SHOWN = 50


class Deciding:
    """The pages of decisions."""

    def __init__(self, ctx: Context, pages: Pages) -> None:
        self._ctx = ctx
        self._pages = pages

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages = self._ctx, self._pages
        return {
            DECISIONS: Screen(ctx, pages, get=board(ctx, pages, self._list)),
            f"{DECISIONS}/{{id}}": Screen(ctx, pages, get=board(ctx, pages, self._one)),
            f"{PATH}/agents/{{slug}}/decisions": Screen(ctx, pages, get=board(ctx, pages, self._why)),
        }

    async def _list(self, request: Request, _now: int) -> Board:
        asked = request.query_params
        denied, name = asked.get("show") == "denied", cleaned(asked.get("agent", ""))

        async def body(reader: Reader) -> list[Kept]:
            agent = (await agent_named(reader, name)).id if name else None
            before = cleaned(asked.get("before", ""))
            return await decisions(reader, Wanted(agent, denied=denied, before=before, limit=SHOWN + 1))

        found = await quietly(self._ctx, body)
        show = {"show": "denied"} if denied else {}
        show |= {"agent": name} if name else {}
        shown, older = page_of(
            found, SHOWN, lambda last: f"{DECISIONS}?{urlencode({'before': last.id, **show})}"
        )
        return Board(
            "Decisions",
            "decisions",
            "What gateways asked, newest first. A deny is always kept, an allow as the settings say.",
            tiles=[
                Tile("all", "decisions", url=DECISIONS),
                Tile("denied", "only", url=f"{DECISIONS}?{urlencode({**show, 'show': 'denied'})}"),
            ],
            crumb=(name, agent_url(name)) if name else None,
            sections=[("Only denied" if denied else "Answers", _table(shown), "")],
            older=older,
        )

    async def _one(self, request: Request, _now: int) -> Board:
        identity = cleaned(request.path_params["id"])
        kept = await quietly(self._ctx, lambda reader: decision(reader, identity))
        facts = [
            ("Asked", f"{_subject(kept)} {kept.action} {kept.resource_type}:{kept.resource_id}"),
            ("Gateway", kept.caller),
            ("Request", kept.request_id),
            ("Policies", ", ".join(kept.policies) or "none"),
            *((f"Resource: {name}", value) for name, value in kept.properties.items()),
            *((f"Said: {name}", value) for name, value in kept.asked.items()),
        ]
        if kept.retry_after is not None:
            facts.append(("Ask again in", f"{kept.retry_after} s"))
        title = "Allowed" if kept.allowed else "Denied"
        reasons = tuple(f"{reason.text} ({reason.id})" for reason in kept.reasons)
        return Board(
            title,
            "decisions",
            boxes=[Box("Why", reasons, GOOD if kept.allowed else BAD, links=_onward(kept))],
            facts=("The question", facts),
            crumb=("Decisions", DECISIONS),
        )

    async def _why(self, request: Request, now: int) -> Board:
        slug = cleaned(request.path_params["slug"])
        found = await quietly(self._ctx, lambda reader: why(reader, slug, now))
        stopped = tuple(f"{reason.text} ({reason.id})" for reason in found.stopped)
        boxes = [Box("Stopped now: every question is denied", stopped, BAD)] if stopped else []
        rows = tuple(
            (
                Cell(reason.id, url=f"{DECISIONS}/{quote(kept.id, safe='')}"),
                Cell(f"{count:,}"),
                Cell(reason.text),
                Cell(at=kept.at),
            )
            for reason, count, kept in found.counted
        )
        reasons = Table(
            "Reasons of recent denials", ("Reason", "Times", "In words", "Last"), rows, "None is kept."
        )
        all_of_them = f"{DECISIONS}?{urlencode({'show': 'denied', 'agent': found.facts.slug})}"
        kept, rest = first_of(found.denials, SHOWN, "newest", all_of_them)
        return Board(
            f"What {found.facts.slug} is denied, and why",
            "decisions",
            "" if stopped else "Nothing stops it now: policies answer each question.",
            boxes=boxes,
            sections=[
                ("Reasons of its recent denials", reasons, ""),
                ("Its recent denials", replace(_table(kept), rest=rest), ""),
            ],
            crumb=(found.facts.slug, agent_url(found.facts.slug)),
        )


def _onward(kept: Kept) -> tuple[tuple[str, str], ...]:
    """Where one goes on from an answer: to the agent, to all its denials, to the same question asked now."""
    if not kept.slug:
        return ()
    asked = {
        "agent": kept.slug,
        "action": kept.action,
        "type": kept.resource_type,
        "resource": kept.resource_id,
    }
    return (
        ("Ask it again of today's policies", f"{PATH}/access?{urlencode(asked)}"),
        (f"Why {kept.slug} is denied", f"{agent_url(kept.slug)}/decisions"),
        (f"Everything about {kept.slug}", agent_url(kept.slug)),
    )


def _subject(kept: Kept) -> str:
    return kept.slug or f"{kept.subject_type}:{kept.subject}"


def _table(found: Sequence[Kept]) -> Table:
    rows = tuple(
        (
            Cell(at=kept.at),
            Cell("allowed" if kept.allowed else "denied", tone=GOOD if kept.allowed else BAD),
            Cell(_subject(kept), url=f"{agent_url(kept.slug)}/decisions" if kept.slug else ""),
            Cell(
                f"{kept.action} {kept.resource_type}:{kept.resource_id}",
                url=f"{DECISIONS}/{quote(kept.id, safe='')}",
            ),
            Cell(" ".join(reason.text for reason in kept.reasons)),
        )
        for kept in found
    )
    return Table(
        "Decisions, newest first", ("When", "Answer", "Subject", "Asked", "Why"), rows, "No decision is kept."
    )
