"""Many agents at once in the console: chosen in the list, shown agent by agent, then done by whoever may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.attestations.service import asking_of
from scim_bridge.console.acting import reason_in
from scim_bridge.console.addresses import agent_url
from scim_bridge.console.boards import Board, Box, board
from scim_bridge.console.door import Screen, redirect, required_session, same_site
from scim_bridge.console.forms import read_form_list
from scim_bridge.console.listing import agents_after
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import page_of
from scim_bridge.console.quiet import quietly
from scim_bridge.console.scripted import Following
from scim_bridge.console.search import address, cleaned, parse
from scim_bridge.console.session import PATH, Session, genuine_form
from scim_bridge.console.tables import BAD, GOOD, PLAIN, WARN, Cell, Table, Tile
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Forbidden, Invalid
from scim_bridge.kernel.pages import moment
from scim_bridge.kernel.work import Work
from scim_bridge.registry import bulk
from scim_bridge.registry.bulk_doing import carry_out
from scim_bridge.registry.bulk_model import ACTIONS, DONE, FAILED, MOST, MOVED, NOTHING, PLANNED
from scim_bridge.settings.attestations import AttestationSettings

HERE = f"{PATH}/bulk"
SHOWN = 50
WORDS = {
    PLANNED: ("to do", PLAIN),
    NOTHING: ("nothing to do", PLAIN),
    DONE: ("done", GOOD),
    FAILED: ("failed", BAD),
    MOVED: ("left alone", WARN),
}


class Together:
    """The pages of changes of many agents."""

    def __init__(self, ctx: Context, pages: Pages, attestations: AttestationSettings) -> None:
        self._ctx = ctx
        self._pages = pages
        self._asking = asking_of(ctx, attestations)

    def screens(self) -> dict[str, Screen]:
        """Their addresses: one for each thing that is done, for not everybody may do each."""
        ctx, pages = self._ctx, self._pages
        found = {HERE: Screen(ctx, pages, get=board(ctx, pages, self._all))}
        for action in ACTIONS:
            found[f"{HERE}/{action}"] = Screen(ctx, pages, post=self._plan)
        found[f"{HERE}/{{id}}"] = Following(ctx, pages, get=board(ctx, pages, self._one))
        found[f"{HERE}/{{id}}/cancel"] = Screen(ctx, pages, post=self._cancel)
        for action in ACTIONS:
            found[f"{HERE}/{{id}}/{action}"] = Screen(ctx, pages, post=self._confirm)
        return found

    async def _form(self, request: Request, session: Session) -> dict[str, list[str]]:
        same_site(self._ctx, request)
        form = await read_form_list(request)
        if not genuine_form(self._ctx, session, form.get("form_key", [""])[-1]):
            raise Forbidden("form-key", "This form is not from your session.", "Load the page again.")
        return form

    async def _plan(self, request: Request) -> Response:
        """Keep the preview of what was chosen, and show it."""
        session = await required_session(self._ctx, request)
        form = await self._form(request, session)
        said = {name: cleaned(values[-1]) for name, values in form.items() if name != "agent"}
        action = request.url.path.rsplit("/", 1)[-1]
        reads = self._ctx.store.reads
        target = await bulk.target_of(reads, action, said.get(ACTIONS[action][1] or "none", ""))
        query = ""
        ids = form.get("agent", [])
        if said.get("scope") == "all":
            query, ids = await self._fitting(said.get("q", ""))

        async def body(work: Work) -> str:
            return await bulk.plan(work, action, ids, target, self._asking, query)

        return redirect(f"{HERE}/{await self._ctx.store.transact(session.actor(request), body)}")

    async def _fitting(self, text: str) -> tuple[str, list[str]]:
        """Every agent that a search finds; Invalid for a search that is not wholly understood."""
        search = parse(text)
        if search.ignored:
            raise Invalid(
                "agent-search",
                f"{', '.join(search.ignored)[:100]} is no filter of agents.",
                "Mend the search.",
            )
        found = await quietly(self._ctx, lambda reader: agents_after(reader, search, "", MOST + 1))
        if len(found) > MOST:
            raise Invalid(
                "bulk-many",
                f"More than {MOST} agents fit this search, and so many are not changed at once.",
                "Narrow the search.",
            )
        return search.text(), [agent for agent, _ in found]

    async def _confirm(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        form = await self._form(request, session)
        reason = reason_in({name: values[-1] for name, values in form.items()})
        bulk_id = cleaned(request.path_params["id"])
        action, actor = request.url.path.rsplit("/", 1)[-1], session.actor(request)
        store = self._ctx.store
        found = await store.transact(actor, lambda work: bulk.approve(work, bulk_id, action, reason))
        if found.state == bulk.RUNNING:
            await carry_out(store, actor, bulk_id, self._asking)
        return redirect(f"{HERE}/{bulk_id}")

    async def _cancel(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        await self._form(request, session)
        bulk_id = cleaned(request.path_params["id"])
        await self._ctx.store.transact(session.actor(request), lambda work: bulk.cancel(work, bulk_id))
        return redirect(f"{HERE}/{bulk_id}")

    async def _all(self, request: Request, _now: int) -> Board:
        before = cleaned(request.query_params.get("before", ""))
        found = await bulk.bulks(self._ctx.store.reads, SHOWN + 1, before)
        rows, older = page_of(found, SHOWN, lambda last: f"{HERE}?{urlencode({'before': last['id']})}")
        made = tuple(
            (
                Cell(ACTIONS[row["action"]][0], url=f"{HERE}/{row['id']}", under=row["target"]),
                Cell(row["state"], tone={"done": GOOD, "running": WARN}.get(row["state"], PLAIN)),
                Cell(row["made_by"]),
                Cell(at=row["created"]),
                Cell(row["reason"]),
            )
            for row in rows
        )
        columns = ("What", "State", "By", "When", "Reason")
        empty = "None yet: tick agents in the list and choose what to do with them."
        return Board(
            "Changes of many agents",
            "agents",
            sections=[("The newest first", Table("Changes", columns, made, empty), "")],
            crumb=("Agents", PATH),
            older=older,
        )

    async def _one(self, request: Request, now: int) -> Board:
        found = await bulk.bulk(self._ctx.store.reads, cleaned(request.path_params["id"]))
        query = parse(found.query)
        lead = f"All that fitted “{query.text()}”." if found.query else "As chosen in the list."
        if found.state == PLANNED:
            lead += " Nothing was done yet."
        return Board(
            found.label,
            "agents",
            lead,
            tiles=_tiles(found),
            boxes=_boxes(found, now),
            sections=[("Agent by agent", _items(found), "")],
            crumb=("Changes of many agents", HERE),
            links=[("Back to the list", address(query))],
            follow=f"{HERE}/{found.id}" if found.state == bulk.RUNNING else "",
        )


def _tiles(found: bulk.Bulk) -> list[Tile]:
    reach: Mapping[str, Any] = found.reach
    tiles = [Tile(f"{reach['chosen']:,}", "chosen")]
    if found.state in (PLANNED, bulk.CANCELLED):
        tiles.append(Tile(f"{reach['changes']:,}", "would change", WARN))
        if reach["stops"]:
            tiles.append(Tile(f"{reach['stops']:,}", "would stop acting", BAD))
        if reach["loses"]:
            tiles.append(Tile(f"{reach['loses']:,}", "would lose a group", BAD))
        tiles += [Tile(f"{count:,}", name) for name, count in reach["environments"].items()]
        tiles += [
            Tile(f"{count:,}", f"{name} risk", WARN if name == "high" else "")
            for name, count in reach["risks"].items()
        ]
        return [*tiles, Tile(f"{reach['owners']:,}", "owners concerned")]
    tiles += [Tile(f"{found.count(DONE):,}", "done", GOOD), Tile(f"{found.count(FAILED):,}", "failed", BAD)]
    return [*tiles, Tile(f"{found.count(MOVED):,}", "left alone", WARN)]


def _boxes(found: bulk.Bulk, now: int) -> list[Box]:
    url = f"{HERE}/{found.id}"
    said = [f"{one['name']}: {one['reason']} ({moment(one['at'])})" for one in found.approvals]
    if found.state == bulk.RUNNING:
        lines = (*said, f"{found.count(PLANNED)} agents are left; the worker goes on with them by itself.")
        give_up = Box(
            "Or give up the rest", (), PLAIN, f"{url}/cancel", (("cancel", "Give up", ""),), reason=False
        )
        return [
            Box(
                "It is not done yet", lines, WARN, f"{url}/{found.action}", (("on", "Go on now", "primary"),)
            ),
            give_up,
        ]
    if found.state != PLANNED:
        rest = "nothing was done" if not found.count(DONE) else "what was done stays"
        words = {bulk.CANCELLED: f"Given up: {rest}", DONE: "Done"}[found.state]
        trouble = found.count(FAILED) + found.count(MOVED)
        tone = PLAIN if found.state == bulk.CANCELLED else WARN if trouble else GOOD
        told = (f"{trouble} agents were not changed: each says why below.",) if trouble else ()
        return [Box(words, (*said, *told), tone)]
    if now - found.created > bulk.LASTS:
        return [Box("This preview is more than a day old", ("Choose the agents again.",), WARN)]
    changes = found.reach["changes"]
    if not changes:
        return [Box("There is nothing to do", ("Every agent is as asked.",), PLAIN)]
    means = ["Exactly what is listed below. An agent that changes before is left alone, and told of."]
    if found.needed > 1:
        means.append(f"So many at once need {found.needed} different people.")
    tone = "danger" if found.reach["stops"] or found.reach["loses"] else "primary"
    label = f"{ACTIONS[found.action][0]}: {changes} agents"
    action = ("confirm", label, tone)
    return [
        Box("Do it", (*said, *means), WARN, f"{url}/{found.action}", (action,)),
        Box("Or not", (), PLAIN, f"{url}/cancel", (("cancel", "Give it up", ""),), reason=False),
    ]


def _items(found: bulk.Bulk) -> Table:
    def row(item: bulk.Item) -> tuple[Cell, ...]:
        word, tone = WORDS[item.state]
        return (
            Cell(item.slug, url=agent_url(item.slug)),
            Cell(item.says),
            Cell(word, tone=tone, under=item.told),
        )

    # What is to be done, or went wrong, before what is as asked.
    ordered = sorted(
        found.items, key=lambda one: ((FAILED, MOVED, PLANNED, DONE, NOTHING).index(one.state), one.slug)
    )
    return Table("Each agent", ("Agent", "What happens", "State"), tuple(row(one) for one in ordered))
