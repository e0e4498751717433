"""The audit log in the console: searched, verified, and taken along in the form somebody else reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from scim_bridge.audit.checking import BROKEN, DONE, Check, Checking, last_check
from scim_bridge.audit.export import ROWS_BEHIND, chain_lines
from scim_bridge.audit.forms import csv_head, form_of
from scim_bridge.audit.record import record
from scim_bridge.audit.seal import seal
from scim_bridge.console.acting import sent
from scim_bridge.console.addresses import agent_url
from scim_bridge.console.audit_search import SECONDS, Wanted, found, wanted_in
from scim_bridge.console.boards import Ask, Board, Box, Field, board
from scim_bridge.console.door import Screen, redirect, required_session
from scim_bridge.console.pages import Pages
from scim_bridge.console.paging import page_of
from scim_bridge.console.scripted import Following
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, GOOD, PLAIN, WARN, Cell, Table, state
from scim_bridge.console.timeline import entry_of
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid, Refused
from scim_bridge.kernel.pages import moment
from scim_bridge.kernel.work import Work

HERE = f"{PATH}/audit"
VERIFICATION, EXPORT = f"{HERE}/verification", f"{HERE}/export"
SHOWN = 100
# Rows that are read and written at once while an export is sent.
PORTION = 1_000
CHAIN = "chain"
MEDIA = {"csv": ("text/csv", "csv"), "cef": ("text/plain", "cef"), "syslog": ("text/plain", "log")}
LABELS = {
    CHAIN: "The whole chain, verifiable anywhere",
    "json": "JSON Lines",
    "ocsf": "OCSF, JSON Lines",
    "csv": "CSV",
    "cef": "CEF",
}


class Auditing:
    """The pages of the audit log."""

    def __init__(self, ctx: Context, pages: Pages) -> None:
        self._ctx = ctx
        self._pages = pages
        self.checking = Checking(ctx)

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages = self._ctx, self._pages
        return {
            HERE: Screen(ctx, pages, get=board(ctx, pages, self._search)),
            VERIFICATION: Following(ctx, pages, get=board(ctx, pages, self._check), post=self._begin),
            EXPORT: Screen(ctx, pages, get=self._export),
        }

    async def _search(self, request: Request, now: int) -> Board:
        reads = self._ctx.store.reads
        wanted = await wanted_in(reads, request.query_params)
        fitting = await self._ctx.store.database.aside(
            lambda reader: found(reader, wanted, SHOWN + 1), seconds=SECONDS
        )
        rows, older = page_of(
            fitting, SHOWN, lambda last: f"{HERE}?{urlencode({**wanted.asked, 'before': wanted.mark(last)})}"
        )
        said = wanted.asked
        outcomes = (
            ("", "every outcome"),
            ("success", "success"),
            ("refused", "refused"),
            ("failed", "failed"),
        )
        return Board(
            "Audit",
            "audit",
            "Every change, chained and signed.",
            ask=Ask(
                "Search",
                HERE,
                (
                    ("action", "Action, such as agent.held or agent.*", said.get("action", "")),
                    ("about", "About: agent, person or id", said.get("about", "")),
                    ("by", "By: name", said.get("by", "")),
                ),
                "Search",
                (
                    Field("outcome", "Outcome", said.get("outcome", ""), "select", outcomes),
                    Field("since", "From this day on (UTC)", said.get("since", ""), "date", required=False),
                    Field("until", "Before this day (UTC)", said.get("until", ""), "date", required=False),
                ),
            ),
            boxes=[_stand(await last_check(reads), now), _take_along(wanted)],
            sections=[("Entries", _entries(rows), "")],
            crumb=("Audit", HERE) if said or wanted.before else None,
            older=older,
        )

    async def _check(self, _request: Request, now: int) -> Board:
        kept = await last_check(self._ctx.store.reads)
        facts: list[tuple[str, str]] = []
        if kept is not None:
            facts = _checked(kept, now)
        lines = (
            "Every row is hashed again and held against the row before it.",
            "Each checkpoint's root is made again and its signature checked with this installation's public keys.",
            "Checked elsewhere, by who does not trust it: `scim-bridge audit verify --file FILE --public-keys KEYS`",
        )
        running = kept is not None and kept.running(now)
        boxes = [_stand(kept, now)]
        if not running:
            boxes.append(
                Box("Verify now", lines, "", VERIFICATION, (("verify", "Verify", "primary"),), reason=False)
            )
        findings = kept.findings if kept is not None else ()
        sections = []
        if findings:
            rows = tuple((Cell(one),) for one in findings)
            sections.append(("What does not add up", Table("Findings", ("Finding",), rows), ""))
        return Board(
            "Verification of the audit log",
            "audit",
            boxes=boxes,
            facts=("What was checked", facts) if facts else None,
            sections=sections,
            crumb=("Audit", HERE),
            follow=VERIFICATION if running else "",
        )

    async def _begin(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        await sent(self._ctx, request, session)
        await self.checking.begin(session.actor(request))
        return redirect(VERIFICATION)

    async def _export(self, request: Request) -> Response:
        session = await required_session(self._ctx, request)
        ctx, form = self._ctx, request.query_params.get("form", CHAIN)
        if form not in LABELS:
            names = ", ".join(LABELS)
            raise Invalid("audit-form", f"“{form[:20]}” is no form of an export.", f"Use one of {names}.")
        wanted = await wanted_in(ctx.store.reads, request.query_params)
        if form == CHAIN and wanted.asked:
            raise Invalid(
                "audit-part", "A part of a chain proves nothing.", "Take the whole chain, or another form."
            )
        await seal(ctx.store, ctx.master)

        async def body(work: Work) -> None:
            await record(work, "audit.exported", "audit", None, {"form": form, **wanted.asked})

        await ctx.store.transact(session.actor(request), body)
        media, ending = MEDIA.get(form, ("application/jsonl", "jsonl"))
        name = f"audit-{form}-{iso(ctx.store.clock.now())[:10]}.{ending}"
        lines = self._chain() if form == CHAIN else self._rows(form, wanted)
        headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
        return StreamingResponse(lines, media_type=media, headers=headers)

    async def _chain(self) -> AsyncIterator[bytes]:
        part: list[bytes] = []
        try:
            async for line in chain_lines(self._ctx.store, self._ctx.master):
                part.append(line + b"\n")
                if len(part) == PORTION:
                    yield b"".join(part)
                    part.clear()
        except Refused as error:
            # It is on its way already: its last line says why it ends there, and no verifier takes it for whole.
            part.append(orjson.dumps({"type": "broken", "why": error.text()}) + b"\n")
        yield b"".join(part)

    async def _rows(self, form: str, wanted: Wanted) -> AsyncIterator[bytes]:
        """Sealed rows in their order, portion by portion: nobody who provisions waits for an export."""
        end = b"\r\n" if form == "csv" else b"\n"
        if form == "csv":
            yield csv_head() + end
        last = 0

        async def portion(reader: Reader) -> Sequence[Mapping[str, Any]]:
            return list(await reader.all(ROWS_BEHIND, last, PORTION))  # type: ignore[arg-type]

        while rows := await self._ctx.store.database.aside(portion, seconds=SECONDS):
            last = rows[-1]["seq"]
            fitting = [row for row in rows if wanted.fits(row)]
            if fitting:
                yield await asyncio.to_thread(
                    lambda some: b"".join(form_of(row, form) + end for row in some), fitting
                )


def _checked(kept: Check, now: int) -> list[tuple[str, str]]:
    if kept.running(now):
        share = f" ({100 * kept.rows // kept.of} %)" if kept.of else ""
        return [
            ("Begun", f"{moment(kept.began)} by {kept.by}"),
            ("So far", f"{kept.rows:,} of {kept.of:,} rows{share}"),
        ]
    facts = [("Begun", f"{moment(kept.began)} by {kept.by}"), ("Ended", moment(kept.beat))]
    if kept.state == DONE:
        facts += [
            ("Rows", f"{kept.rows:,}, each hashed again, to place {kept.last:,} in the chain"),
            ("Checkpoints", f"{kept.checkpoints:,}, each root made again and each signature checked"),
            ("Not sealed yet", f"{kept.unsealed:,} rows that came while it ran"),
            ("Hash of the last row", kept.tip),
            ("Keys", "the public keys kept in this database"),
        ]
    return facts


def _stand(kept: Check | None, now: int) -> Box:
    """How the last verification went, in a few words."""
    link = (("What exactly was checked", VERIFICATION),)
    if kept is None:
        return Box("The chain was not verified here yet", (), WARN, links=(("Verify it", VERIFICATION),))
    if kept.running(now):
        return Box(
            "A verification is running",
            (f"{kept.rows:,} of {kept.of:,} rows so far.",),
            WARN,
            links=(("Look again", VERIFICATION),),
        )
    if kept.state == BROKEN:
        return Box("The last verification broke off", (kept.why,), WARN, links=link)
    if kept.state != DONE:
        words = ("The process that did it ended.", "Begin another one.")
        return Box("The last verification broke off", words, WARN, links=link)
    if kept.ok:
        lines = (f"{kept.rows:,} rows and {kept.checkpoints:,} checkpoints add up, {moment(kept.beat)}.",)
        return Box("The chain is sound", lines, GOOD, links=link)
    return Box("The chain does not add up", kept.findings[:5], BAD, links=link)


def _take_along(wanted: Wanted) -> Box:
    forms = [form for form in LABELS if form != CHAIN or not wanted.asked]
    links = tuple((LABELS[form], f"{EXPORT}?{urlencode({**wanted.asked, 'form': form})}") for form in forms)
    title = "Export what fits this search" if wanted.asked else "Export"
    return Box(title, (), PLAIN, links=links)


def _entries(rows: Sequence[Any]) -> Table:
    made = []
    for row in rows:
        entry = entry_of(row, {})
        about = Cell(row["subject_kind"], under=row["subject_id"] or "")
        if row["slug"]:
            about = Cell(row["slug"], url=agent_url(row["slug"]), under=row["subject_id"])
        made.append(
            (
                Cell(at=entry.at),
                Cell(
                    row["action"],
                    url=f"{HERE}?{urlencode({'action': row['action']})}",
                    under=" · ".join(entry.told),
                ),
                state(row["outcome"]) if row["outcome"] != "success" else Cell("success"),
                about,
                Cell(row["actor_name"], under=row["actor_kind"]),
                Cell(f"{row['seq']:,}" if row["seq"] is not None else "in a moment"),
            )
        )
    columns = ("When", "What", "Outcome", "About", "By", "Place in the chain")
    return Table("Audit log, the newest first", columns, tuple(made), "Nothing fits this search.")
