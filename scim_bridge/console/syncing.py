"""Sync in the console: every connection at a glance, one with its last plan, its runs, drift and findings."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request

from scim_bridge.console.boards import Board, Box, board
from scim_bridge.console.door import Screen
from scim_bridge.console.pages import Pages, agent_url
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, WARN, Cell, Table, Tile, number, state
from scim_bridge.kernel.context import Context
from scim_bridge.registry.connections import Connection, connection, connections
from scim_bridge.registry.findings import KeptFinding, findings_at
from scim_bridge.sync.drift_keeping import KeptDrift, drifts_of
from scim_bridge.sync.idp.port import CREATE
from scim_bridge.sync.plan import KeptChange, changes_of
from scim_bridge.sync.run import Run
from scim_bridge.sync.service import Status, Trouble, status

HERE = f"{PATH}/sync"
CHANGES = 100
LONGEST = 120


class Syncing:
    """The pages of sync."""

    def __init__(self, ctx: Context, pages: Pages) -> None:
        self._ctx = ctx
        self._pages = pages

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        ctx, pages = self._ctx, self._pages
        return {
            HERE: Screen(ctx, pages, get=board(ctx, pages, self._all)),
            f"{HERE}/{{name}}": Screen(ctx, pages, get=board(ctx, pages, self._one)),
        }

    async def _all(self, _request: Request, _now: int) -> Board:
        reads = self._ctx.store.reads
        lines = []
        for one in await connections(reads):
            found = await status(reads, one, limit=1)
            drift = len(await drifts_of(reads, one.id))
            lines.append(_line(one, found, drift))
        return Board(
            "Sync",
            "sync",
            "Facts, owners and attestations go into each IdP by a plan that is shown first.",
            sections=[("Connections", _connections(lines), "Plan and apply: scim-bridge sync plan NAME")],
        )

    async def _one(self, request: Request, now: int) -> Board:
        reads = self._ctx.store.reads
        one = await connection(reads, cleaned(request.path_params["name"]))
        found = await status(reads, one)
        plan = found.plan
        changes = [] if plan is None else await changes_of(reads, plan.id, limit=CHANGES)
        drift = await drifts_of(reads, one.id)
        boxes = []
        if plan is not None and plan.state == "held":
            fix = f"Look first, then: scim-bridge sync apply {one.name} --plan {plan.id} --release REASON"
            boxes.append(Box("The brake holds the last plan", (plan.reason, fix), BAD))
        tiles = [
            Tile(str(found.written), "agents kept in step"),
            Tile(str(0 if plan is None else plan.changes), "changes in the last plan"),
            Tile(str(len(drift)), "drifts open", WARN if drift else ""),
            Tile(str(len(found.troubles)), "not done", BAD if found.troubles else ""),
        ]
        sections = [
            ("Runs", _runs(found.runs), ""),
            *([("Not done", _troubles(found.troubles), "")] if found.troubles else []),
            ("The last plan", _plan(changes), _plan_hint(one, found, len(changes))),
            (
                "Drift",
                _drift(drift),
                f"Settle: scim-bridge sync settle {one.name} AGENT ATTRIBUTE --take ours|theirs",
            ),
        ]
        if findings := await findings_at(reads, one.id, limit=CHANGES):
            sections.append(("What the IdP itself finds wrong", _findings(findings), ""))
        return Board(
            one.name, "sync", f"{one.kind}, {one.dialect}", tiles, boxes, sections, crumb=("Sync", HERE)
        )


def _line(one: Connection, found: Status, drift: int) -> tuple[Cell, ...]:
    last = found.runs[0] if found.runs else None
    return (
        Cell(one.name, url=f"{HERE}/{one.name}", under=one.kind),
        state(last.state, last.reason) if last else Cell("never ran" if one.has_secrets else "no push side"),
        Cell(at=last.started) if last else Cell(),
        number(found.written),
        number(drift, WARN),
        number(len(found.troubles), BAD),
        Cell(at=found.next_try) if found.next_try is not None else Cell(),
        Cell(at=one.last_call) if one.last_call else Cell(),
    )


def _connections(lines: list[tuple[Cell, ...]]) -> Table:
    columns = (
        "Connection",
        "Last run",
        "Begun",
        "In step",
        "Drift",
        "Not done",
        "Next try",
        "Last call from it",
    )
    return Table(
        "Connections",
        columns,
        tuple(lines),
        "No connection yet: scim-bridge connections create okta --kind okta",
    )


def _runs(runs: tuple[Run, ...]) -> Table:
    return Table(
        "Runs, the newest first",
        ("Run", "State", "Done", "Parked", "Moved", "By"),
        tuple(
            (
                Cell(at=run.started),
                state(run.state, run.reason),
                Cell(f"{run.done} of {run.total}"),
                number(run.failed, BAD),
                number(run.moved, WARN),
                Cell(run.started_by),
            )
            for run in runs
        ),
        "Nothing was applied yet.",
    )


def _troubles(troubles: tuple[Trouble, ...]) -> Table:
    return Table(
        "Changes that are not done",
        ("Agent", "State", "Why", "Next try"),
        tuple(
            (
                Cell(one.change.change.slug, url=agent_url(one.change.change.slug)),
                state(one.change.state),
                Cell(one.reason),
                Cell(at=one.next_try) if one.next_try is not None else Cell(),
            )
            for one in troubles
        ),
    )


def _plan(changes: list[KeptChange]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for kept in changes:
        change = kept.change
        head = Cell(change.slug, url=agent_url(change.slug), under=change.action)
        if change.action == CREATE:
            why = next(iter(kept.reasons.values()), "")
            rows.append((head, Cell(f"{len(change.after)} attributes"), Cell(), Cell("new"), Cell(why)))
            continue
        rows += [
            (
                head,
                Cell(name),
                Cell(_said(change.before.get(name))),
                Cell(_said(value)),
                Cell(kept.reasons.get(name, "")),
            )
            for name, value in change.after.items()
        ]
    columns = ("Agent", "Attribute", "Is there", "Will be", "Why")
    return Table(
        "Changes of the last plan", columns, tuple(rows), "The last plan holds no change, or none was made."
    )


def _plan_hint(one: Connection, found: Status, shown: int) -> str:
    plan = found.plan
    if plan is None:
        return f"Make one: scim-bridge sync plan {one.name}"
    more = f" The first {shown} agents of {plan.changes} are shown." if plan.changes > shown else ""
    then = f" Apply it: scim-bridge sync apply {one.name} --plan {plan.id}" if plan.state == "ready" else ""
    return f"{plan.agents} agents compared with {plan.listed} objects; {plan.state}.{more}{then}"


def _drift(rows: list[KeptDrift]) -> Table:
    return Table(
        "What somebody changed at the IdP",
        ("Agent", "Attribute", "Ours", "Theirs", "Changed by", "Seen", "Rule"),
        tuple(
            (
                Cell(one.slug, url=agent_url(one.slug)),
                Cell(one.attribute),
                Cell(_said(one.ours)),
                Cell(_said(one.theirs)),
                Cell(one.changed_by or one.unknown),
                Cell(at=one.first_seen),
                Cell(one.rule),
            )
            for one in rows[:CHANGES]
        ),
        "Nothing differs that somebody else changed.",
    )


def _findings(rows: list[KeptFinding]) -> Table:
    return Table(
        "Findings of the IdP",
        ("Agent", "Finding", "Since"),
        tuple(
            (
                Cell(one.slug, url=agent_url(one.slug)),
                Cell(one.finding.message, under=one.finding.code),
                Cell(at=one.since),
            )
            for one in rows
        ),
    )


def _said(value: Any) -> str:
    if value is None or value == "" or value == []:
        return ""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
