"""Budgets as values: which question they are about, whom they are counted for, and how much is left.

A limit is one cell of the generic cell rate algorithm (GCRA, ITU-T I.371): from idle, `burst` at once, and
`count` in each `span` from then on; never more than burst + rate × time. Pure, instants in microseconds.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import orjson

from scim_bridge.access.model import Facts, Question
from scim_bridge.kernel.clock import SECOND
from scim_bridge.registry.throttles import Throttle

CALLS, COST = "calls", "cost"
AGENT, OWNER, GROUP, TASK, ACTION, RESOURCE = (
    "agent",
    "owner",
    "group",
    "task_type",
    "action",
    "resource_type",
)
DIMENSIONS = (AGENT, OWNER, GROUP, TASK, ACTION, RESOURCE, "environment", "platform")
MOST_COST = Decimal(10) ** 9


@dataclass(frozen=True, slots=True)
class Limit:
    """So many in each span of microseconds, and so many at once after a quiet time."""

    count: int
    span: int
    burst: int

    @property
    def interval(self) -> int:
        """Between two of them, rounded up: never more than was said."""
        return -(-self.span // self.count)

    @property
    def room(self) -> int:
        """How far ahead of the clock the cell may run."""
        return self.burst * self.interval

    def charge(self, units: Decimal) -> int:
        """What so many units put on the cell."""
        return int((units * self.interval).to_integral_value(rounding="ROUND_CEILING"))

    def words(self) -> str:
        """As it is written."""
        spans = {SECOND: "s", 60 * SECOND: "m", 3600 * SECOND: "h", 86400 * SECOND: "d"}
        return f"{self.count}/{spans.get(self.span, f'{self.span // SECOND}s')}, burst {self.burst}"


@dataclass(frozen=True, slots=True)
class Breach:
    """So many refusals within a time hold the agent."""

    after: int
    within: int


@dataclass(frozen=True, slots=True)
class Match:
    """What a budget is about: every list that is not empty must hold the question's value."""

    agents: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    task_types: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    resource_types: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset()
    risk_tiers: frozenset[str] = frozenset()

    def applies(self, question: Question, facts: Facts, groups: Sequence[str]) -> bool:
        """True when the question is one of those."""
        owner = facts.owners.owner
        return (
            (not self.actions or question.action in self.actions)
            and (not self.resource_types or question.resource_type in self.resource_types)
            and (not self.task_types or question.asked.get(TASK, "") in self.task_types)
            and (not self.agents or facts.slug in self.agents)
            and (not self.environments or facts.environment in self.environments)
            and (not self.risk_tiers or facts.risk_tier in self.risk_tiers)
            and (not self.owners or (owner is not None and owner.user_name in self.owners))
            and (not self.groups or not self.groups.isdisjoint(groups))
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of something may be done. `per` are the dimensions it is counted by; none: all together."""

    name: str
    limits: tuple[Limit, ...]
    per: tuple[str, ...] = (AGENT,)
    counts: str = CALLS
    match: Match = Match()
    breach: Breach | None = None
    about: str = ""
    # Set where somebody slows one agent down: then this is no budget of the file.
    throttle: Throttle | None = None

    def cell(self, number: int) -> str:
        """What the cell of a limit is called where it is stored."""
        return self.name if number == 0 else f"{self.name}#{number + 1}"

    def keys(self, question: Question, facts: Facts, groups: Sequence[str]) -> list[str]:
        """For whom this question is counted: one key, or one for each of the agent's groups."""
        values: list[Sequence[str]] = []
        for dimension in self.per:
            if dimension == GROUP:
                counted = [name for name in groups if not self.match.groups or name in self.match.groups]
                values.append(counted or [""])
            else:
                values.append([_value(dimension, question, facts)])
        return [key_of(parts) for parts in itertools.product(*values)]

    def units(self, question: Question) -> Decimal | None:
        """What the question costs; None when it says something that is no cost."""
        return Decimal(1) if self.counts == CALLS else cost_of(question.asked)


def with_throttles(budgets: Sequence[Budget], facts: Facts, now: int) -> tuple[Budget, ...]:
    """The budgets, and one more for each throttle that slows this agent down at this instant."""
    return (*budgets, *(_slowing(throttle) for throttle in facts.slowed(now)))


def _slowing(throttle: Throttle) -> Budget:
    pace = throttle.pace
    # No budget of a file can have a colon in its name.
    name = f"throttle:{throttle.source}"
    return Budget(name, (Limit(pace.calls, pace.span, pace.burst),), about=throttle.reason, throttle=throttle)


def key_of(parts: Sequence[str]) -> str:
    """The values of the dimensions as one text."""
    return orjson.dumps(list(parts)).decode()


def _value(dimension: str, question: Question, facts: Facts) -> str:
    owner = facts.owners.owner
    return {
        AGENT: facts.id,
        OWNER: "" if owner is None else owner.id,
        TASK: question.asked.get(TASK, ""),
        ACTION: question.action,
        RESOURCE: question.resource_type,
        "environment": facts.environment,
        "platform": facts.platform,
    }[dimension]


def cost_of(asked: Mapping[str, str]) -> Decimal | None:
    """`context.cost`, 1 when it is not said; None when it is no number from 0 on."""
    said = asked.get(COST)
    if said is None:
        return Decimal(1)
    try:
        found = Decimal(said) if len(said) <= 40 else Decimal(-1)
    except InvalidOperation:
        return None
    return found if found.is_finite() and 0 <= found <= MOST_COST else None


@dataclass(frozen=True, slots=True)
class Cell:
    """One limit of one budget for one key, and what a question puts on it."""

    budget: Budget
    limit: Limit
    name: str
    key: str
    charge: int

    @property
    def never(self) -> bool:
        """True when not even its whole room would do: no waiting helps."""
        return self.charge > self.limit.room


def cells(budgets: Sequence[Budget], question: Question, facts: Facts, now: int) -> list[Cell] | str:
    """Every cell a question is counted in, in one order; or why it cannot be counted. Empty: no budget is about it."""
    groups = facts.granted(now)
    found = []
    for budget in budgets:
        if not budget.match.applies(question, facts, groups):
            continue
        units = budget.units(question)
        if units is None:
            return f"The cost {question.asked[COST][:40]!r} is no number of units."
        for key in budget.keys(question, facts, groups):
            for number, limit in enumerate(budget.limits):
                found.append(Cell(budget, limit, budget.cell(number), key, limit.charge(units)))
    return sorted(found, key=lambda cell: (cell.name, cell.key))


def fits(tat: int, now: int, charge: int, room: int) -> bool:
    """True when a cell has room for a charge."""
    return max(tat, now) + charge - now <= room


def left_over(tat: int, was: int, now: int, room: int) -> int:
    """Where a cell stands whose room was another: a limit that changed makes nobody wait longer than its own room."""
    return min(tat, now + room) if was != room else tat


def wait(tat: int, now: int, charge: int, room: int) -> int:
    """Whole seconds until it has, at least 1."""
    return max(1, -(-(max(tat, now) + charge - room - now) // SECOND))
