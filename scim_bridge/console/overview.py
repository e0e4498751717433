"""The first page: how agents, their owners, attestations, departures, syncs and decisions stand, at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.console.addresses import filter_url
from scim_bridge.console.boards import Box
from scim_bridge.console.door import Screen, required_session
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import first_of
from scim_bridge.console.plots import plots_of
from scim_bridge.console.pulse import AT_RISK, CONNECTIONS, Pulse, pulse
from scim_bridge.console.scripted import STATIC, Scripted
from scim_bridge.console.session import PATH, form_key
from scim_bridge.console.tables import BAD, GOOD, WARN, Cell, Table, Tile, state
from scim_bridge.console.tally import Remembered, Tally
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.pages import Asset, html

HERE = f"{PATH}/overview"
SHOWN = 8
RISK = f"{PATH}/people?show=risk"
FILES = {
    "uplot.js": ("uplot.min.js", "text/javascript"),
    "uplot.css": ("uplot.min.css", "text/css"),
    "plots.js": ("plots.js", "text/javascript"),
}


class Overview:
    """The page and the files it loads."""

    def __init__(self, ctx: Context, pages: Pages, tally: Tally) -> None:
        self._ctx = ctx
        self._pages = pages
        self._tally = tally
        self._pulse = Remembered(ctx, lambda reader: pulse(reader, ctx.store.clock.now()))
        self._files = {
            name: Asset((STATIC / file).read_bytes(), kind) for name, (file, kind) in FILES.items()
        }

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages = self._ctx, self._pages
        found: dict[str, Screen] = {HERE: Scripted(ctx, pages, get=self.show)}
        for name, asset in self._files.items():

            async def file(_request: Request, asset: Asset = asset) -> Response:
                return asset.response()

            found[f"{PATH}/{name}"] = Screen(ctx, pages, get=file)
        return found

    async def show(self, request: Request) -> Response:
        """The page."""
        session = await required_session(self._ctx, request)
        numbers, found = await self._tally.now(), await self._pulse.now()
        tiles = [
            Tile(f"{numbers.active:,}", "agents may act", GOOD, filter_url("state", "active")),
            Tile(f"{numbers.held:,}", "held", BAD if numbers.held else "", filter_url("state", "held")),
            Tile(
                f"{numbers.ownerless:,}",
                "nobody answers",
                BAD if numbers.ownerless else "",
                filter_url("owner", "none"),
            ),
            Tile(
                f"{numbers.unattested:,}",
                "not attested",
                WARN if numbers.unattested else "",
                filter_url("attestation", "missing"),
            ),
            Tile(
                f"{AT_RISK}+" if len(found.owners) > AT_RISK else str(len(found.owners)),
                "owners at risk",
                WARN if found.owners else "",
                RISK,
            ),
            Tile(str(sum(found.alerts.values())), "alerts", _gravest(found.alerts), f"{PATH}/alerts"),
        ]
        return html(
            self._pages.overview(
                session,
                form_key(self._ctx, session),
                self._ctx.store.clock.now(),
                lead="Which agents may act, who answers for them, and what needs a look.",
                tiles=tiles,
                boxes=_boxes(found),
                plots=plots_of(found),
                sections=[
                    ("Owners at risk", _owners(found.owners), ""),
                    ("Sync", _runs(found.runs), ""),
                ],
                assets={name: f"{PATH}/{name}?v={asset.digest}" for name, asset in self._files.items()},
            )
        )


def _gravest(alerts: dict[str, int]) -> str:
    return BAD if alerts.get("high") else WARN if alerts else ""


def _boxes(pulse: Pulse) -> list[Box]:
    found = []
    if pulse.leaving["brakes"]:
        held = pulse.leaving["held"]
        found.append(
            Box(
                "The brake holds departures",
                (f"Held until somebody decides: {held}.",),
                BAD,
                f"{PATH}/departures",
            )
        )
    if pulse.leaving["late"]:
        late = pulse.leaving["late"]
        found.append(
            Box("Past five minutes", (f"{late} departures are not done yet.",), BAD, f"{PATH}/departures")
        )
    if pulse.dead:
        found.append(
            Box("Calls were given up", (f"{pulse.dead} outward calls are dead.",), BAD, f"{PATH}/status")
        )
    if pulse.lapsed:
        found.append(
            Box(
                "Attestations lapsed",
                (f"{pulse.lapsed} agents are without a valid statement of their owner.",),
                WARN,
                filter_url("attestation", "lapsed"),
            )
        )
    return found


def _owners(rows: Sequence[dict[str, Any]]) -> Table:
    def standing(row: dict[str, Any]) -> Cell:
        if not row["active"]:
            return Cell("left", tone=BAD)
        return Cell("leaves" if row["leave_at"] else "on leave", tone=WARN)

    kept, rest = first_of(rows, SHOWN, "with most agents", RISK)
    return Table(
        "Owners at risk, those with most agents first",
        ("Owner", "State", "Owns", "Leaves"),
        tuple(
            (
                Cell(row["name"], url=f"{PATH}/people/{quote(row['name'], safe='')}"),
                standing(row),
                Cell(str(row["agents"]), url=filter_url("owner", row["name"])),
                Cell(at=row["leave_at"]) if row["leave_at"] else Cell(),
            )
            for row in kept
        ),
        "Every owner is here, and nobody is known to leave.",
        rest,
    )


def _runs(rows: Sequence[dict[str, Any]]) -> Table:
    kept, rest = first_of(rows, CONNECTIONS, "first", f"{PATH}/sync")
    return Table(
        "Connections and their last run",
        ("Connection", "Last run", "Began", "Ended"),
        tuple(
            (
                Cell(row["name"], url=f"{PATH}/sync/{row['name']}", under=row["kind"]),
                state(row["state"], row["reason"]) if "state" in row else Cell("never ran"),
                Cell(at=row["started"]) if "state" in row else Cell(),
                Cell(at=row["finished"]) if row.get("finished") else Cell(),
            )
            for row in kept
        ),
        "No connection yet: Settings → Connect, or `scim-bridge connect okta`.",
        rest,
    )
