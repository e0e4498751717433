"""Alerts in the console: what is odd, one alert with the events behind it, and ending it for a reason."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.console.boards import Board, Box, board, decided
from scim_bridge.console.door import Screen, redirect, required_session
from scim_bridge.console.pages import Pages, agent_url
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, PLAIN, WARN, Cell, Table, Tile
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.pages import moment
from scim_bridge.kernel.work import Work
from scim_bridge.settings.watch import AlertSettings
from scim_bridge.watch import alerts as watch
from scim_bridge.watch.telling import RESOLVED, tell

HERE = f"{PATH}/alerts"
SHOWN = 100
TONES = {"high": BAD, "medium": WARN, "low": PLAIN}


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
        }

    async def _all(self, _request: Request, now: int) -> Board:
        reads = self._ctx.store.reads
        found = await watch.alerts(reads, state="open", limit=SHOWN)
        past = await watch.alerts(reads, state="resolved", limit=20)
        heard = [one for one in found if one.muted is None]
        tiles = [
            Tile(str(sum(one.severity == severity for one in heard)), severity, TONES[severity])
            for severity in TONES
        ]
        return Board(
            "Alerts",
            "alerts",
            "What agents did that is not usual for them.",
            tiles=[*tiles, Tile(str(len(found) - len(heard)), "muted")],
            sections=[
                ("Open", _listed(found, "Nothing is odd now."), "Mute for a while: scim-bridge alerts mute"),
                ("Muted", _mutes(await watch.mutes(reads, now)), ""),
                ("Resolved", _listed(past, "None yet."), ""),
            ],
        )

    async def _one(self, request: Request, _now: int) -> Board:
        found = await watch.alert(self._ctx.store.reads, cleaned(request.path_params["id"]))
        facts = [
            ("Agent", found.agent or "deleted"),
            ("Severity", found.severity),
            ("State", found.state if found.muted is None else f"{found.state}, muted"),
            ("Seen", f"first {moment(found.first)}, last {moment(found.last)}, in {found.hours} hours"),
            ("Figures", ", ".join(f"{name} {value}" for name, value in found.figures.items()) or "none"),
            ("Done by policy", ", ".join(found.response) or "nothing"),
        ]
        if found.resolved:
            facts.append(("Resolved", f"{moment(found.resolved)} by {found.resolved_by}: {found.resolution}"))
        boxes = [Box(found.kind.replace("-", " ").capitalize(), (found.why,), TONES[found.severity])]
        if found.state == "open":
            ends = ("Ends it; the hold or throttle it placed is released.",) if found.response else ()
            url = f"{HERE}/{found.id}"
            boxes.append(Box("Resolve", ends, WARN, url, (("resolve", "Resolve", "primary"),)))
        return Board(
            f"{found.agent}: {found.kind.replace('-', ' ')}",
            "alerts",
            boxes=boxes,
            sections=[("Events behind it", _events(found.evidence), "")],
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


def _listed(found: Sequence[watch.Alert], empty: str) -> Table:
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


def _mutes(found: Sequence[dict[str, object]]) -> Table:
    return Table(
        "Mutes that last",
        ("Agent", "Kind", "Reason", "By", "Until"),
        tuple(
            (
                Cell(str(one["agent"] or "every agent")),
                Cell(str(one["kind"] or "every kind")),
                Cell(str(one["reason"])),
                Cell(str(one["muted_by"])),
                Cell(at=int(str(one["until"]))),
            )
            for one in found
        ),
        "Nothing is muted.",
    )


def _events(evidence: Sequence[str]) -> Table:
    return Table(
        "Events by source and id",
        ("Source", "Id"),
        tuple(
            (Cell(source), Cell(event_id))
            for source, _, event_id in (one.rpartition(" ") for one in evidence)
        ),
        "Its events are not kept any more.",
    )
