"""Rows of sync as a page shows them: changes old and new, runs, what is not done, drift, strangers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.console.addresses import agent_url
from scim_bridge.console.tables import BAD, WARN, Cell, Table, number, state
from scim_bridge.registry.drift_rules import OURS, THEIRS
from scim_bridge.registry.findings import KeptFinding
from scim_bridge.sync.drift_keeping import KeptDrift
from scim_bridge.sync.idp.port import CREATE, ENABLED
from scim_bridge.sync.plan import KeptChange
from scim_bridge.sync.run import Run
from scim_bridge.sync.stranger_keeping import KeptStranger
from scim_bridge.sync.strangers import what

LONGEST = 120
# What is told of an object that is nobody's.
TOLD = 8


def said(value: Any) -> str:
    """A value in a line; empty for none."""
    if value is None or value == "" or value == []:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = ", ".join(value)
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


@dataclass(frozen=True, slots=True)
class Shown:
    """One change: what was there, what will be, and why; `stops` when it switches an agent off."""

    slug: str
    url: str
    action: str
    stops: bool
    rows: tuple[tuple[str, str, str, str], ...]
    notes: tuple[str, ...]
    state: str
    tone: str
    reason: str

    @property
    def new(self) -> bool:
        """True when the object is not there yet."""
        return self.action == CREATE


def shown(kept: KeptChange) -> Shown:
    """A change of a plan as a page shows it."""
    change = kept.change
    rows = tuple(
        (name, said(change.before.get(name)), said(value), kept.reasons.get(name, ""))
        for name, value in change.after.items()
    )
    standing = state(kept.state)
    word = "" if kept.state == "planned" else standing.text
    return Shown(
        change.slug,
        agent_url(change.slug) if change.agent_id else "",
        change.action,
        change.stops,
        rows,
        kept.notes,
        word,
        standing.tone,
        kept.reason or "",
    )


def compared(steps: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str, str]]:
    """The rows of the difference among told steps."""
    for step in steps:
        if step.get("step") == "difference":
            rows = step["detail"].get("attributes", [])
            return [(row["name"], said(row["old"]), said(row["new"]), row["why"]) for row in rows]
    return []


def runs_table(runs: tuple[Run, ...]) -> Table:
    """The newest runs."""
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


def findings_table(rows: list[KeptFinding]) -> Table:
    """What the IdP itself finds wrong."""
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
        "The IdP finds nothing wrong with any agent.",
    )


@dataclass(frozen=True, slots=True)
class Differs:
    """A drift with what may be done about it: (whose word, what the button says)."""

    kept: KeptDrift
    ours: str
    theirs: str
    by: str
    choices: tuple[tuple[str, str], ...]


def differs(row: KeptDrift) -> Differs:
    """A drift as a page shows it. A stop of theirs is not undone from here; nothing of theirs starts an agent."""
    choices = [(THEIRS, "Take theirs")] if row.field else []
    choices.append((OURS, "Write ours back"))
    if row.attribute == ENABLED:
        choices = [(THEIRS, "Take the stop")] if row.theirs is False else [(OURS, "Switch it off there")]
    by = row.changed_by or (f"unknown: {row.unknown}" if row.unknown else "unknown")
    return Differs(row, said(row.ours), said(row.theirs), by, tuple(choices))


@dataclass(frozen=True, slots=True)
class Nobodys:
    """An object that is nobody's here. `adoptable` unless it carries a mark."""

    kept: KeptStranger
    what: str
    facts: tuple[tuple[str, str], ...]
    adoptable: bool


def nobodys(row: KeptStranger, *, known: bool) -> Nobodys:
    """A stranger as a page shows it; `known`: its mark is of an agent here."""
    facts = tuple((name, said(value)) for name, value in row.attributes.items() if said(value))
    rest = len(facts) - TOLD
    told = facts if rest <= 1 else (*facts[:TOLD], ("And", f"{rest} more, which are kept too"))
    return Nobodys(row, what(row.mark, known), told, not row.mark)
