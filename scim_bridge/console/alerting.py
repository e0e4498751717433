"""Alerts in the console: what is odd, one alert with the events behind it, and ending it for a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.console.acting import decided, reason_in, sent
from scim_bridge.console.addresses import agent_url
from scim_bridge.console.boards import Board, Box, Field, board
from scim_bridge.console.door import Screen, redirect, required_session
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import page_of
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, PLAIN, WARN, Cell, Table, Tile, number, state
from scim_bridge.kernel.clock import HOUR, parse_iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.pages import moment
from scim_bridge.kernel.work import Work
from scim_bridge.settings.watch import AlertSettings
from scim_bridge.watch import alerts as watch
from scim_bridge.watch import muting
from scim_bridge.watch.alert_model import Alert
from scim_bridge.watch.evidence import DECISION, Evidence, shown_evidence
from scim_bridge.watch.telling import RESOLVED, tell, told

HERE = f"{PATH}/alerts"
SHOWN = 50
TONES = {"high": BAD, "medium": WARN, "low": PLAIN}
SHOWS = {
    "open": ("Open", "Nothing is odd now."),
    "muted": ("Open and muted", "No open alert is muted."),
    "resolved": ("Resolved", "None yet."),
}
OF = ("both", "agent", "kind")
LASTS = (("1", "an hour"), ("8", "eight hours"), ("24", "a day"), ("168", "a week"), ("720", "thirty days"))


class Alerting:
    """The pages of alerts."""

    def __init__(self, ctx: Context, pages: Pages, settings: AlertSettings) -> None:
        self._ctx = ctx
        self._pages = pages
        self._settings = settings

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages = self._ctx, self._pages
        return {
            HERE: Screen(ctx, pages, get=board(ctx, pages, self._all)),
            f"{HERE}/{{id}}": Screen(ctx, pages, get=board(ctx, pages, self._one), post=self._end),
            f"{HERE}/{{id}}/mute": Screen(ctx, pages, post=self._mute),
            f"{HERE}/mutes/{{id}}/end": Screen(ctx, pages, post=self._unmute),
        }

    async def _all(self, request: Request, now: int) -> Board:
        asked = request.query_params
        show = asked.get("show", "open")
        show = show if show in SHOWS else "open"
        before = _mark(asked.get("before", ""))
        reads = self._ctx.store.reads
        wanted, muted = ("resolved", None) if show == "resolved" else ("open", show == "muted")
        found = await watch.alerts(reads, state=wanted, limit=SHOWN + 1, before=before, muted=muted)
        shown, older = page_of(found, SHOWN, lambda last: _older(show, last))
        counted = await watch.open_counts(reads)
        tiles = [
            *(Tile(f"{counted.get(severity, 0):,}", severity, TONES[severity], HERE) for severity in TONES),
            Tile(f"{counted.get('muted', 0):,}", "muted", url=f"{HERE}?show=muted"),
            Tile("all", "resolved", url=f"{HERE}?show=resolved"),
        ]
        sections = [(SHOWS[show][0], _listed(shown, SHOWS[show][1]), "")]
        if show != "resolved":
            mutes = await muting.mutes(reads, now, limit=SHOWN + 1)
            rest = f"The {SHOWN} that end first are shown. All of them: scim-bridge alerts mutes"
            hint = rest if len(mutes) > SHOWN else ""
            sections.append(("What is muted, and until when", _mutes(mutes[:SHOWN]), hint))
        return Board(
            "Alerts",
            "alerts",
            "What agents did that is not usual for them.",
            tiles=tiles,
            sections=sections,
            older=older,
            crumb=("Alerts", HERE) if show != "open" or before else None,
        )

    async def _one(self, request: Request, now: int) -> Board:
        reads = self._ctx.store.reads
        found = await watch.alert(reads, cleaned(request.path_params["id"]))
        facts = [
            ("Agent", found.agent or "deleted"),
            ("Severity", found.severity),
            ("State", found.state if found.muted is None else f"{found.state}, muted"),
            ("Seen", f"first {moment(found.first)}, last {moment(found.last)}, {_within(found.hours)}"),
            ("Figures", ", ".join(f"{name} {value}" for name, value in found.figures.items()) or "none"),
            ("Done by policy", ", ".join(found.response) or "nothing"),
        ]
        if found.resolved:
            facts.append(("Resolved", f"{moment(found.resolved)} by {found.resolved_by}: {found.resolution}"))
        links = ((f"{found.agent}: everything about it", agent_url(found.agent)),) if found.agent else ()
        kind = found.kind.replace("-", " ")
        boxes = [Box(kind.capitalize(), (found.why,), TONES[found.severity], links=links)]
        if found.state == "open":
            ends = ("Ends it; the hold or throttle it placed is released.",) if found.response else ()
            url = f"{HERE}/{found.id}"
            boxes.append(Box("Resolve", ends, WARN, url, (("resolve", "Resolve", "primary"),)))
            boxes.append(_mute_box(found, url))
        sections = [("Events behind it", _events(await shown_evidence(reads, found)), "")]
        calls = await told(reads, self._settings, found)
        if calls:
            sections.append(("Who is told", _calls(calls), ""))
        lasting = await muting.mutes(reads, now, only=found.muted) if found.muted else []
        if lasting:
            sections.append(("Muted by", _mutes(lasting), ""))
        return Board(
            f"{found.agent}: {kind}",
            "alerts",
            boxes=boxes,
            sections=sections,
            facts=("The alert", facts),
            crumb=("Alerts", HERE),
        )

    async def _end(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        _, reason = await decided(self._ctx, request, session)
        alert_id = cleaned(request.path_params["id"])

        async def body(work: Work) -> None:
            found = await watch.resolve(work, alert_id, reason)
            await tell(work, self._settings, found, RESOLVED)

        await self._ctx.store.transact(session.actor(request), body)
        return redirect(HERE)

    async def _mute(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        form = await sent(self._ctx, request, session)
        reason, of, lasts = reason_in(form), form.get("of", ""), form.get("hours", "")
        if of not in OF or lasts not in dict(LASTS):
            raise Invalid("mute-form", "This page knows no such mute.", "Load the page again.")
        alert_id = cleaned(request.path_params["id"])

        async def body(work: Work) -> None:
            found = await watch.alert(work.tx, alert_id)
            agent = None if of == "kind" else found.agent_id
            kind = None if of == "agent" else found.kind
            await muting.mute(work, agent, kind, reason, work.now + int(lasts) * HOUR)

        await self._ctx.store.transact(session.actor(request), body)
        return redirect(f"{HERE}?show=muted")

    async def _unmute(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        await sent(self._ctx, request, session)
        mute_id = cleaned(request.path_params["id"])
        await self._ctx.store.transact(session.actor(request), lambda work: muting.unmute(work, mute_id))
        return redirect(HERE)


def _older(show: str, last: Alert) -> str:
    return f"{HERE}?{urlencode({'show': show, 'before': f'{last.last}.{last.id}'})}"


def _mark(text: str) -> tuple[int, str] | None:
    """Where an older page begins: the instant and the id of the last one shown."""
    at, _, alert_id = cleaned(text).partition(".")
    return (int(at), alert_id) if at.isascii() and at.isdigit() and len(at) < 19 else None


def _mute_box(found: Alert, url: str) -> Box:
    kind = found.kind.replace("-", " ")
    of = (
        ("both", f"{kind} of {found.agent}"),
        ("agent", f"everything about {found.agent}"),
        ("kind", f"{kind} of every agent"),
    )
    fields = (
        Field("of", "What", "both", "select", of),
        Field("hours", "For how long", "24", "select", LASTS),
    )
    lines = ("Nobody is told of it; it is kept and shown all the same. It ends by itself.",)
    return Box("Mute", lines, "", f"{url}/mute", (("mute", "Mute", ""),), fields)


def _listed(found: Sequence[Alert], empty: str) -> Table:
    return Table(
        "Alerts, those seen last first",
        ("Alert", "Agent", "Severity", "Why", "Last seen"),
        tuple(
            (
                Cell(one.kind.replace("-", " "), url=f"{HERE}/{one.id}"),
                Cell(one.agent or "deleted", url=agent_url(one.agent) if one.agent else ""),
                Cell(one.severity, tone=TONES[one.severity], under="muted" if one.muted else ""),
                Cell(one.why),
                Cell(at=one.last),
            )
            for one in found
        ),
        empty,
    )


def _mutes(found: Sequence[dict[str, Any]]) -> Table:
    return Table(
        "Mutes that last",
        ("Agent", "Kind", "Reason", "By", "Until", "End"),
        tuple(
            (
                Cell(one["agent"] or "every agent"),
                Cell((one["kind"] or "every kind").replace("-", " ")),
                Cell(one["reason"]),
                Cell(one["muted_by"]),
                Cell(at=one["until"]),
                Cell("Unmute", post=f"{HERE}/mutes/{one['id']}/end"),
            )
            for one in found
        ),
        "Nothing is muted.",
    )


def _calls(calls: Sequence[dict[str, Any]]) -> Table:
    return Table(
        "How far each route was told",
        ("Route", "Event", "State", "Tried", "Next try"),
        tuple(
            (
                Cell(one["route"]),
                Cell(one["event"]),
                state(one["state"], one["error"] or ""),
                number(one["attempts"]),
                Cell(at=parse_iso(one["next_try"])) if one["next_try"] else Cell(),
            )
            for one in calls
        ),
        "Nobody is told.",
    )


def _events(evidence: Sequence[Evidence]) -> Table:
    return Table(
        "Events behind the alert",
        ("Event", "When", "What", "Outcome"),
        tuple(
            (
                Cell(
                    one.id,
                    url=f"{PATH}/decisions/{one.id}" if one.source == DECISION else "",
                    under=one.source,
                ),
                Cell(at=one.at) if one.at is not None else Cell("not kept any more"),
                Cell(one.what),
                Cell(one.outcome, tone=BAD if one.outcome == "denied" else "") if one.outcome else Cell(),
            )
            for one in evidence
        ),
        "Its events are not kept any more.",
    )


def _within(hours: int) -> str:
    return "within an hour" if hours == 1 else f"in {hours} different hours"
