"""The brake on departures: when news of leavers waits for named people instead of being acted on. Pure rules.

A reload of HR gone wrong tells of hundreds of leavers at once. What lies beyond the limits is parked:
nothing is stopped, nobody is told but security, and the leavers count as here until somebody decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from scim_bridge.kernel.clock import DAY, HOUR, MINUTE

# Distinguishes "how many there are" from "at least so many": counting on would not change the answer.
MEASURES = ("owners", "owners_percent", "people_percent")


@dataclass(frozen=True, slots=True)
class Limits:
    """What is let through in a window; beyond it, cases are parked. Zero switches a limit off.

    `owners`: leavers who own agents. `owners_percent`, `people_percent`: shares of everybody who owns an
    agent, and of all active people; they say something only from `least` leavers on.
    """

    owners: int = 10
    owners_percent: int = 20
    people_percent: int = 20
    least: int = 3


@dataclass(frozen=True, slots=True)
class Brake:
    """The limits of all doors together, of single doors (by pattern), and what passes nevertheless.

    `urgent` cases (immediate, or whose agents have a tier of `urgent_risk`) pass in each window although the
    brake is on. A leave announced `announced` before it takes effect was counted then, and not again.
    More than `second_above` parked cases need a second person to be released.
    """

    window: int = HOUR
    limits: Limits = Limits()
    sources: Mapping[str, Limits] = field(default_factory=dict)
    urgent: int = 3
    urgent_risk: frozenset[str] = frozenset({"high"})
    announced: int = DAY
    second_above: int = 5

    @property
    def on(self) -> bool:
        """False when nothing is limited, so that nothing need be counted."""
        return any(any((one.owners, one.owners_percent, one.people_percent)) for one in self.all_limits)

    @property
    def all_limits(self) -> tuple[Limits, ...]:
        """The common limits and those of single doors."""
        return (self.limits, *self.sources.values())

    def limits_for(self, source: str) -> Limits | None:
        """The limits of one door alone; None when it has none of its own."""
        return next((one for name, one in self.sources.items() if fnmatchcase(source, name)), None)


BRAKE = Brake()


@dataclass(frozen=True, slots=True)
class Traffic:
    """What happened in the window, the case at hand included: leavers, those who own agents, urgent ones."""

    people: int
    owners: int
    urgent: int


@dataclass(frozen=True, slots=True)
class Company:
    """How many active people there are, and how many of them own agents (before the window's leavers left)."""

    people: int
    owners: int


def tripped(limits: Limits, traffic: Traffic, company: Company, window: int) -> str:
    """Why a case must wait, in words; empty when it need not."""
    told = f"within {window // MINUTE} minutes"
    if limits.owners and traffic.owners > limits.owners:
        return f"{traffic.owners} people who own agents left {told}; {limits.owners} are let through."
    shares = (
        (traffic.owners, company.owners, limits.owners_percent, "people who own agents"),
        (traffic.people, company.people, limits.people_percent, "people"),
    )
    for number, known, percent, what in shares:
        if percent and number >= limits.least and number * 100 > percent * known:
            return f"{number} of {known} {what} left {told}; {percent} % are let through."
    return ""


def approvals_needed(brake: Brake, cases: int) -> int:
    """How many different people must release a brake that holds so many cases."""
    return 2 if cases > brake.second_above else 1
