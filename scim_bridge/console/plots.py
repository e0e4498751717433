"""The overview's plots as values: what the script draws, and the same as tables. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from scim_bridge.console.pulse import DAYS, WEEKS, Pulse
from scim_bridge.kernel.clock import DAY, SECOND
from scim_bridge.kernel.pages import day


@dataclass(frozen=True, slots=True)
class Series:
    """One set of bars: what it says, its colour, its values, and what it stands upon (bars of a later series)."""

    label: str
    tone: str
    values: tuple[float, ...]
    upon: tuple[float, ...] = ()

    @property
    def tops(self) -> tuple[float, ...]:
        """How high each bar reaches."""
        return tuple(map(sum, zip(self.values, self.upon, strict=True))) if self.upon else self.values


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars over days or weeks; `at` are instants in seconds, `empty` what is said where no bar would stand."""

    title: str
    per: str
    at: tuple[int, ...]
    series: tuple[Series, ...]
    empty: str

    @property
    def nothing(self) -> str:
        """What to say in place of the plot; empty when there is something to draw."""
        return "" if any(any(one.values) for one in self.series) else self.empty

    @property
    def data(self) -> str:
        """What the script draws, as JSON."""
        told = [
            {"label": one.label, "tone": one.tone, "values": one.values, "tops": one.tops}
            for one in self.series
        ]
        return orjson.dumps({"per": self.per, "at": self.at, "series": told}).decode()

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The same as a table."""
        return [
            (day(at * SECOND), *(f"{one.values[place]:g}" for one in self.series))
            for place, at in enumerate(self.at)
        ]


def plots_of(pulse: Pulse) -> list[Plot]:
    """Decisions by day, the slowest departure of each day, attestations that end by week."""
    today = pulse.now // DAY
    days = tuple(range(today - DAYS + 1, today + 1))
    at = tuple(one * DAY // SECOND for one in days)
    weeks = tuple((today + 7 * n) * DAY // SECOND for n in range(WEEKS))
    due = [0] * WEEKS
    for week, many in pulse.due.items():
        due[min(WEEKS - 1, week)] += many
    slowest = dict.fromkeys(days, 0.0)
    for day_, milliseconds in pulse.departures.items():
        if day_ in slowest:
            slowest[day_] = milliseconds / 1000
    answered = [tuple(float(pulse.answers.get((one, yes), 0)) for one in days) for yes in (1, 0)]
    return [
        Plot(
            "Decisions of two weeks",
            "Day",
            at,
            (
                Series("Allowed", "good", answered[0], answered[1]),
                Series("Denied", "bad", answered[1]),
            ),
            "No gateway has asked in two weeks.",
        ),
        Plot(
            "The slowest departure of each day, seconds",
            "Day",
            at,
            (Series("Seconds", "accent", tuple(slowest.values())),),
            "Nobody who answers for agents has left in two weeks.",
        ),
        Plot(
            "Attestations that end, by week",
            "Week from",
            weeks,
            (Series("End", "warn", tuple(map(float, due))),),
            f"None ends within {WEEKS} weeks.",
        ),
    ]
