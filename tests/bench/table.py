"""The rows of the answer: what was measured beside what, and whether that is what is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.compare import Ratio


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. `wanted` is the limit for `ratio` (or for `value`, when there is no ratio).

    `sense` is ">=", "<=", or "" for a row that is only told. `failed` says why nothing was measured.
    """

    target: str
    what: str
    backend: str
    agents: int
    value: float | None
    unit: str
    beside: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    sense: str = ""
    wanted: float | None = None
    note: str = ""
    failed: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None for a row without one."""
        if self.failed:
            return False
        if not self.sense or self.wanted is None:
            return None
        reached = self.value if self.ratio is None else self.ratio
        assert reached is not None
        return reached >= self.wanted if self.sense == ">=" else reached <= self.wanted

    @property
    def verdict(self) -> str:
        """met, missed, failed, or nothing."""
        if self.failed:
            return "failed"
        return {True: "met", False: "missed", None: ""}[self.met]

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON."""
        return {**asdict(self), "met": self.met}

    @classmethod
    def of_dict(cls, made: dict[str, Any]) -> Row:
        """The row from its JSON."""
        return cls(**{key: value for key, value in made.items() if key != "met"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row was measured."""

    backend: str
    agents: int

    def beside(
        self,
        target: str,
        what: str,
        value: float,
        unit: str,
        beside: str,
        ratio: Ratio,
        sense: str = "",
        wanted: float | None = None,
        note: str = "",
    ) -> Row:
        """A row that compares."""
        spread = (ratio.middle, ratio.low, ratio.high)
        return Row(target, what, self.backend, self.agents, value, unit, beside, *spread, sense, wanted, note)

    def alone(
        self,
        target: str,
        what: str,
        value: float,
        unit: str,
        sense: str = "",
        wanted: float | None = None,
        note: str = "",
    ) -> Row:
        """A row whose value itself is the target."""
        return Row(
            target, what, self.backend, self.agents, value, unit, sense=sense, wanted=wanted, note=note
        )

    def failed(self, target: str, what: str, reason: str) -> Row:
        """A row for what could not be measured."""
        return Row(target, what, self.backend, self.agents, None, "", failed=reason)


HEADINGS = ("target", "what", "back end", "agents", "value", "ratio", "spread", "wanted", "verdict")


def shown(value: float | None, unit: str = "") -> str:
    """A number as people read it."""
    if value is None:
        return ""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def wanted_words(row: Row) -> str:
    """The target as written."""
    if not row.sense or row.wanted is None:
        return ""
    sign = {">=": "≥", "<=": "≤"}[row.sense]
    if row.ratio is None:
        return f"{sign} {shown(row.wanted, row.unit)}"
    return f"{sign} {row.wanted:g} × {row.beside}"


def cells(row: Row) -> tuple[str, ...]:
    """A row as text."""
    ratio = "" if row.ratio is None else f"{row.ratio:.3g} ×"
    spread = "" if row.low is None or row.high is None else f"{row.low:.3g}–{row.high:.3g}"
    what = row.what if row.sense or not row.beside else f"{row.what} (beside {row.beside})"
    where = (row.backend, f"{row.agents:,}" if row.agents else "")
    return (
        row.target,
        what,
        *where,
        shown(row.value, row.unit),
        ratio,
        spread,
        wanted_words(row),
        row.verdict,
    )


def printed(rows: Sequence[Row]) -> str:
    """The table for a terminal."""
    lines = [HEADINGS, *(cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    told = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    told.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(told)


def markdown(rows: Sequence[Row]) -> str:
    """The table for a page."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|" + "---|" * len(HEADINGS)]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in cells(row))} |" for row in rows]
    return "\n".join(lines)
