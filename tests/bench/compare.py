"""Ratios on a machine that may be shared: everything compared runs in turn, forth and back, several times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.bench.client import Result, measure


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a short run takes, and how often everything is run in turn."""

    seconds: float = 2.0
    rounds: int = 3


class Dishonest(AssertionError):
    """A run did not do what it claims to measure: a wrong status, an empty answer, a change that is not there."""


@dataclass(frozen=True, slots=True)
class Load:
    """Requests for one server. `requests` makes the iterator of one short run."""

    name: str
    port: int
    requests: Callable[[], Iterable[bytes]]
    clients: int = 16
    accepted: tuple[int, ...] = (200, 201, 204)
    limit: int = 200_000


@dataclass(slots=True)
class Measured:
    """What a load reached over all rounds: a rate a round, and every answer's time."""

    name: str
    rates: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    requests: int = 0
    last: bytes = b""

    @property
    def rate(self) -> float:
        """The median rate, in requests a second."""
        return median(self.rates)

    def quantile(self, share: float) -> float:
        """The time below which this share of all requests was answered, in seconds."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of the rounds' ratios, with the lowest and the highest."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, tops: Sequence[float], bottoms: Sequence[float]) -> Ratio:
        """The ratios of two series that were measured round by round."""
        found = sorted(top / bottom for top, bottom in zip(tops, bottoms, strict=True))
        return cls(median(found), found[0], found[-1])

    def inverse(self) -> Ratio:
        """The same, the other way round."""
        return Ratio(1 / self.middle, 1 / self.high, 1 / self.low)


def once(load: Load, seconds: float) -> Result:
    """One short run; Dishonest unless every answer has a status it should have."""
    result = measure(load.port, load.requests(), clients=load.clients, seconds=seconds, limit=load.limit)
    wrong = {status: count for status, count in result.statuses.items() if status not in load.accepted}
    if wrong or not result.requests:
        raise Dishonest(f"{load.name}: statuses {result.statuses}, last answer {result.last[:300]!r}")
    return result


def in_turn(loads: Sequence[Load], pace: Pace) -> list[Measured]:
    """Run loads in turn, A B C C B A, in every round; each one's rates, one a round.

    A first short run of each warms up what a server keeps and is not counted.
    """
    measured = [Measured(load.name) for load in loads]
    for load in loads:
        once(load, min(0.2, pace.seconds / 2))
    for _ in range(pace.rounds):
        sums = [0.0] * len(loads)
        order = list(range(len(loads)))
        for index in (*order, *reversed(order)):
            result = once(loads[index], pace.seconds / 2)
            sums[index] += result.rate / 2
            measured[index].times += result.times
            measured[index].requests += result.requests
            measured[index].last = result.last
        for index, rate in enumerate(sums):
            measured[index].rates.append(rate)
    return measured


def ratio(top: Measured, bottom: Measured) -> Ratio:
    """How the rate of one compares with the rate of the other."""
    return Ratio.of(top.rates, bottom.rates)
