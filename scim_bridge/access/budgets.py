"""Budgets where they are counted: in the database, so that all replicas share them.

One statement charges every cell of a question and says which had no room; it is the same on both back ends,
and locks each cell for the moment it takes. A question no budget is about costs nothing here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prometheus_client import Counter

from scim_bridge.access.budget_model import AGENT as BY_AGENT
from scim_bridge.access.budget_model import Budget, Cell, cells, key_of, wait, with_throttles
from scim_bridge.access.model import Decision, Facts, Question, Reason, denied
from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import MINUTE, iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.telemetry import REGISTRY
from scim_bridge.kernel.work import SYSTEM, Store, Work
from scim_bridge.registry.holds import place_hold

SOURCE = "access"
CODE = "budget-breach"
REFUSED = Counter(
    "scim_bridge_budget_refused", "Questions that were over a budget.", ["budget"], registry=REGISTRY
)
_COLUMNS = "budget, key, tat, at, inc, room, ok, minute, asked, before, strikes, striking, patience"
# Where the limit is another than it was, nobody waits longer than its whole room: what is left of 1/d must not stop
# 100/m for a day. Only then, for replicas whose clocks differ would else give each other room.
_LEFT = """CASE WHEN u.room <> excluded.room AND u.tat > excluded.at + excluded.room
    THEN excluded.at + excluded.room ELSE u.tat END"""
_FROM = f"CASE WHEN u.tat > excluded.at THEN {_LEFT} ELSE excluded.at END"
_FITS = f"{_FROM} + excluded.inc - excluded.at <= excluded.room"
_CHARGE = f"""
ON CONFLICT (budget, key) DO UPDATE SET
  tat = CASE WHEN {_FITS} THEN {_FROM} + excluded.inc ELSE {_LEFT} END,
  ok = CASE WHEN {_FITS} THEN 1 ELSE 0 END,
  strikes = CASE WHEN {_FITS} THEN u.strikes
    WHEN excluded.at - u.striking > excluded.patience THEN 1 ELSE u.strikes + 1 END,
  striking = CASE WHEN NOT {_FITS} AND excluded.at - u.striking > excluded.patience THEN excluded.at
    ELSE u.striking END,
  before = CASE WHEN excluded.minute <= u.minute THEN u.before
    WHEN excluded.minute = u.minute + 1 THEN u.asked ELSE 0 END,
  asked = CASE WHEN excluded.minute <= u.minute THEN u.asked + 1 ELSE 1 END,
  minute = CASE WHEN excluded.minute > u.minute THEN excluded.minute ELSE u.minute END,
  at = excluded.at, inc = excluded.inc, room = excluded.room, patience = excluded.patience
RETURNING budget, key, tat, ok, strikes"""


@dataclass(frozen=True, slots=True)
class Over:
    """A cell that had no room: seconds until it has (None: never), and how often that was lately."""

    cell: Cell
    retry_after: int | None
    strikes: int = 0


class Budgets:
    """The gate of a decision that counts: what the policies allow passes while every budget has room."""

    def __init__(self, store: Store, budgets: Sequence[Budget]) -> None:
        self._store = store
        self.budgets = tuple(budgets)

    async def __call__(self, question: Question, facts: Facts, decision: Decision, now: int) -> Decision:
        """The decision, or a no that says which budget is spent and when to come back."""
        budgets = with_throttles(self.budgets, facts, now)
        if not budgets:
            return decision
        counted = cells(budgets, question, facts, now)
        if isinstance(counted, str):
            return denied("budget-cost", f"{counted} Send context.cost as a number.", facts)
        if not counted:
            return decision

        async def body(work: Work) -> list[Over]:
            work.bookkeeping("budgets count and change nothing")
            found = await charge(work, counted, now)
            await _breached(work, facts, found)
            return found

        over = await self._store.transact(SYSTEM, body)
        for each in over:
            REFUSED.labels(each.cell.budget.name).inc()
        return refusal(facts, over, now) if over else decision


async def charge(work: Work, counted: Sequence[Cell], now: int) -> list[Over]:
    """Charge every cell, or none when one has no room; those that had none.

    A cell whose whole room would not do is charged nothing either, but it is asked, and it counts its refusal.
    """
    rows: list[Any] = []
    for cell in counted:
        patience = 0 if cell.budget.breach is None else cell.budget.breach.within
        # What never fits may be more than a column holds: it is as much over as one microsecond more.
        fitting, put = not cell.never, min(cell.charge, cell.limit.room + 1)
        rows += (cell.name, cell.key, now + put if fitting else now, now, put, cell.limit.room)
        rows += (int(fitting), now // MINUTE, 1, 0, int(not fitting), now, patience)
    values = ", ".join([f"({marks(13)})"] * len(counted))
    found = await work.tx.all(f"INSERT INTO sb_budget_use AS u ({_COLUMNS}) VALUES {values} {_CHARGE}", *rows)
    by_cell = {(row["budget"], row["key"]): row for row in found}
    over = []
    charged = []
    for cell in counted:
        row = by_cell[cell.name, cell.key]
        if row["ok"]:
            charged.append(cell)
        else:
            seconds = None if cell.never else wait(row["tat"], now, cell.charge, cell.limit.room)
            over.append(Over(cell, seconds, row["strikes"]))
    if over:
        for cell in charged:
            await work.tx.run(
                "UPDATE sb_budget_use SET tat = tat - ? WHERE budget = ? AND key = ?",
                cell.charge,
                cell.name,
                cell.key,
            )
    return over


async def _breached(work: Work, facts: Facts, over: Sequence[Over]) -> None:
    """Hold the agent that does not stop when it is told to."""
    for each in over:
        breach = each.cell.budget.breach
        if breach is None or each.strikes < breach.after:
            continue
        name = each.cell.budget.name
        reason = (
            f"It was over the budget {name} {each.strikes} times within {breach.within // MINUTE} minutes"
        )
        release = f"an admin: scim-bridge budgets release {facts.slug} --reason WHY"
        if await place_hold(work, facts.id, SOURCE, CODE, reason, release):
            await work.tx.run(
                "UPDATE sb_budget_use SET strikes = 0 WHERE budget = ? AND key = ?",
                each.cell.name,
                each.cell.key,
            )
            return


def refusal(facts: Facts, over: Sequence[Over], now: int) -> Decision:
    """The no of spent budgets: each is a reason; come back when the last of them has room."""
    unique = tuple(dict.fromkeys(_reason(each, now) for each in over))
    waits = [each.retry_after for each in over]
    longest = None if None in waits else max(seconds for seconds in waits if seconds is not None)
    return replace(denied("", "", facts), reasons=unique, retry_after=longest)


def _reason(over: Over, now: int) -> Reason:
    cell, seconds = over.cell, over.retry_after
    budget, throttle = cell.budget, cell.budget.throttle
    again = "" if seconds is None else f"there is room again at {iso(now + seconds * 1_000_000)}."
    if throttle is not None:
        text = (
            f"It is slowed down to {throttle.pace.words()} until {iso(throttle.until)} by {throttle.placed_by}"
            f" ({throttle.source}): {throttle.reason.rstrip('.')}. {again[:1].upper()}{again[1:]}"
        )
        return Reason(f"throttle:{throttle.code}", text)
    if seconds is None:
        text = f"The question costs more than the budget {budget.name} ({cell.limit.words()}) ever allows."
        return Reason(f"budget:{budget.name}", text)
    return Reason(
        f"budget:{budget.name}", f"The budget {budget.name} ({cell.limit.words()}) is spent: {again}"
    )


async def rate_of(reader: Reader, budgets: Sequence[str], agent_id: str, now: int) -> int | None:
    """How often an agent asked in the last minute, by the busiest of these budgets (those that count by agent).

    The minute that runs, and of the one before as much as is not over: None when no budget counted it yet.
    """
    if not budgets:
        return None
    rows = await reader.all(
        f"SELECT minute, asked, before FROM sb_budget_use WHERE key = ? AND budget IN ({marks(len(budgets))})",
        key_of([agent_id]),
        *budgets,
    )
    minute, part = divmod(now, MINUTE)
    return max((_in_a_minute(row, minute, part) for row in rows), default=None)


def _in_a_minute(row: Any, minute: int, part: int) -> int:
    left = MINUTE - part
    if row["minute"] == minute:
        return int(row["asked"] + row["before"] * left // MINUTE)
    return int(row["asked"] * left // MINUTE) if row["minute"] == minute - 1 else 0


def rates(budgets: Sequence[Budget]) -> Callable[[Reader, str, int], Awaitable[int | None]] | None:
    """How to find an agent's rate by the budgets that count by agent alone; None when none does."""
    names = [budget.name for budget in budgets if budget.per == (BY_AGENT,)]
    if not names:
        return None

    async def rate(reader: Reader, agent_id: str, now: int) -> int | None:
        return await rate_of(reader, names, agent_id, now)

    return rate


async def used(reader: Reader, *, limit: int | None = None) -> list[dict[str, Any]]:
    """What every cell that is counted says, the fullest first; at most `limit` of them."""
    rows = await reader.all(
        "SELECT budget, key, tat, at, room, strikes, asked, minute FROM sb_budget_use"
        f" ORDER BY tat - at DESC, budget, key{'' if limit is None else ' LIMIT ?'}",
        *(() if limit is None else (limit,)),
    )
    return [
        dict(zip(("budget", "key", "tat", "at", "room", "strikes", "asked", "minute"), row, strict=True))
        for row in rows
    ]


async def reset(work: Work, budget: str, key: str | None = None) -> int:
    """Give a budget back all its room, for one key or for all; how many cells were in use."""
    also, values = ("", []) if key is None else (" AND key = ?", [key])
    gone = await work.tx.run(
        f"DELETE FROM sb_budget_use WHERE (budget = ? OR budget LIKE ?){also}", budget, f"{budget}#%", *values
    )
    await record(work, "budget.reset", "budget", budget, {"key": key, "cells": gone})
    return gone
