"""Departures as people and programs see them: rows for lists, one case with all its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from scim_bridge.departures.cases import COLUMNS, case_of, find_case, outcomes_of
from scim_bridge.departures.model import BUDGET, Case, Fate, State
from scim_bridge.departures.steps import about
from scim_bridge.kernel.clock import SECOND, iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.outward import NOTIFY

WAITING = ("pending", "handed")


async def listed(
    reader: Reader,
    *,
    state: str | None = None,
    person_id: str | None = None,
    before: str | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """The newest cases, one row each; `before` is the id a previous page ended with."""
    if state is not None and state not in set(State):
        raise Invalid("case-state", f"{state!r} is no state of a case.", f"Use {', '.join(State)}.")
    asked = (("state = ?", state), ("person_id = ?", person_id), ("id < ?", before))
    where = ["1 = 1", *(clause for clause, value in asked if value is not None)]
    values = [value for _, value in asked if value is not None]
    rows = await reader.all(
        f"SELECT {COLUMNS} FROM sb_departure WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?",
        *values,
        limit,
    )
    cases = [case_of(row) for row in rows]
    fates = await _fates(reader, [case.id for case in cases])
    return [{**_head(case), **fates[case.id]} for case in cases]


def _head(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "person": case.person,
        "state": case.state.value,
        "source": case.source,
        "effective": iso(case.effective_at),
        "heard": iso(case.heard_at),
        "closed": _iso(case.closed_at),
        "why": case.note if case.state is State.HELD else None,
    }


async def _fates(reader: Reader, ids: list[str]) -> dict[str, dict[str, int]]:
    found = {case_id: {fate.value: 0 for fate in Fate} for case_id in ids}
    if ids:
        rows = await reader.all(
            "SELECT case_id, fate, COUNT(*) AS n FROM sb_departure_agent"
            f" WHERE case_id IN ({marks(len(ids))}) GROUP BY case_id, fate",
            *ids,
        )
        for row in rows:
            found[row["case_id"]][row["fate"]] = row["n"]
    return found


async def shown(reader: Reader, name: str, now: int) -> dict[str, Any]:
    """One case with its agents and steps. `seconds` and `steps` are the receipt's once it is closed.

    `within_budget` is None while the case runs and may still keep the five minutes.
    """
    case = await find_case(reader, name)
    agents = await outcomes_of(reader, case.id)
    slugs = {row["agent_id"]: row["slug"] for row in agents}
    effects = await reader.all(
        "SELECT id, kind, subject_id, payload, state, attempts, last_error, created, settled, next_at FROM sb_effect"
        " WHERE case_id = ? ORDER BY created, id",
        case.id,
    )
    names = await _names(reader, effects)
    receipt = await reader.one(
        "SELECT within_budget, milliseconds, steps, signed FROM sb_receipt WHERE case_id = ?", case.id
    )
    running = max(0, now - case.begun) // 1000 / 1000 if case.decided_at is not None else None
    within = None if running is None or running <= BUDGET // SECOND else False
    return {
        **_head(case),
        "display_name": case.display_name,
        "immediate": case.immediate,
        "gone_by": list(case.gone_by),
        "brake": case.brake_id,
        "released": _iso(case.released),
        "decided": _iso(case.decided_at),
        "seconds": running if receipt is None else receipt["milliseconds"] / 1000,
        "steps": len(agents) + len(effects) if receipt is None else receipt["steps"],
        "within_budget": within if receipt is None else bool(receipt["within_budget"]),
        "waiting": sum(row["state"] in WAITING for row in effects),
        "dead": sum(row["state"] == "dead" for row in effects),
        "receipt": "none"
        if receipt is None
        else "signed"
        if receipt["signed"] is not None
        else "being signed",
        "note": case.note or None,
        "agents": [_agent(row) for row in agents],
        "effects": [_effect(row, slugs, names) for row in effects],
    }


async def _names(reader: Reader, effects: Sequence[Any]) -> dict[str, str]:
    """By id: of connections, and of those who were written to."""
    payloads = [orjson.loads(row["payload"]) for row in effects if row["kind"] == NOTIFY]
    people = sorted({one["to"]["id"] for one in payloads if one["to"]})
    rows = list(await reader.all("SELECT id, name FROM sb_connection"))
    if people:
        found = f"SELECT id, name FROM sb_resource WHERE id IN ({marks(len(people))})"
        rows += await reader.all(found, *people)
    return {row["id"]: row["name"] for row in rows}


def _agent(row: Any) -> dict[str, Any]:
    return {
        "agent": row["slug"],
        "role": row["role"],
        "outcome": row["fate"],
        "successor": row["successor"],
        "next_in_line": row["proposed"],
        "reason": row["reason"],
        "rule": row["rule"],
        "accept_by": _iso(row["accept_by"]),
        "accepted_at": _iso(row["accepted"]),
        "handed_over_to": row["resolved_to"],
        "handed_over_at": _iso(row["resolved"]),
    }


def _effect(row: Any, slugs: Mapping[str, str], names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "kind": row["kind"],
        "about": about(row["kind"], orjson.loads(row["payload"]), names),
        "agent": slugs.get(row["subject_id"]),
        "state": row["state"],
        "attempts": row["attempts"],
        "done": _iso(row["settled"]) if row["state"] == "done" else None,
        "next": _iso(row["next_at"]) if row["state"] in WAITING else None,
        "error": row["last_error"],
    }


def _iso(instant: int | None) -> str | None:
    return None if instant is None else iso(instant)
