"""What budgets would say to a run of the same question, without charging anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scim_bridge.access.budget_model import Budget, Cell, cells, fits, left_over, wait, with_throttles
from scim_bridge.access.model import Facts, Question
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid


@dataclass(frozen=True, slots=True)
class Foresight:
    """One cell: how many of the calls found room in it, which was the first that did not, and how long it waits."""

    cell: Cell
    left: int
    passed: int
    first_refused: int | None
    retry_after: int | None


async def foresee(
    reader: Reader,
    budgets: Sequence[Budget],
    question: Question,
    facts: Facts,
    now: int,
    *,
    times: int = 1,
    every: int = 0,
) -> list[Foresight]:
    """So many calls, so many microseconds apart, from what is left now. Each cell is followed by itself."""
    counted = cells(with_throttles(budgets, facts, now), question, facts, now)
    if isinstance(counted, str):
        raise Invalid("budget-cost", counted, "Write --context cost=12.5.")
    found = []
    for cell in counted:
        row = await reader.one(
            "SELECT tat, room FROM sb_budget_use WHERE budget = ? AND key = ?", cell.name, cell.key
        )
        tat = now if row is None else left_over(row["tat"], row["room"], now, cell.limit.room)
        found.append(_followed(cell, tat, now, times, every))
    return found


def _followed(cell: Cell, tat: int, now: int, times: int, every: int) -> Foresight:
    left = max(0, cell.limit.room - max(0, tat - now)) // cell.limit.interval
    passed, first, seconds = 0, None, None
    for number in range(1, times + 1):
        if fits(tat, now, cell.charge, cell.limit.room):
            tat = max(tat, now) + cell.charge
            passed += 1
        elif first is None:
            first = number
            fitting = cell.charge <= cell.limit.room
            seconds = wait(tat, now, cell.charge, cell.limit.room) if fitting else None
        now += every
    return Foresight(cell, left, passed, first, seconds)
