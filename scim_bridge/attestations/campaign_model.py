"""The rules of a campaign: whom it asks, when it reminds, to whom it escalates, when it gives up. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from scim_bridge.kernel.clock import DAY

SCHEDULED = "scheduled"
EVENT = "event"
AD_HOC = "ad-hoc"

OPENING = "opening"
OPEN = "open"
CLOSED = "closed"
CANCELLED = "cancelled"


class ItemState(StrEnum):
    """How one agent of a campaign stands. `waiting` is the only state that is chased."""

    WAITING = "waiting"
    CONFIRMED = "confirmed"
    REDUCED = "reduced"
    REFUSED = "refused"
    RETIRED = "retired"
    LAPSED = "lapsed"
    GONE = "gone"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """What is done for an agent nobody has answered for, in this order when two fall on one instant."""

    ASK = "ask"
    REMIND = "remind"
    SPONSOR = "sponsor"
    MANAGER = "manager"
    OVERDUE = "overdue"
    LAPSE = "lapse"


ORDER = tuple(Step)


@dataclass(frozen=True, slots=True)
class Policy:
    """How a campaign is chased: days from opening to due date, days before it, days after it.

    `hold`: whether an agent nobody answered for may no longer act when the grace is over.
    """

    due_days: int = 14
    remind_days: tuple[int, ...] = (7, 2)
    sponsor_days: int = 3
    manager_days: int = 1
    grace_days: int = 7
    hold: bool = True

    def as_json(self) -> dict[str, Any]:
        """What is kept with the campaign: a later change of the settings does not change its dates."""
        return {
            "due_days": self.due_days,
            "remind_days": list(self.remind_days),
            "sponsor_days": self.sponsor_days,
            "manager_days": self.manager_days,
            "grace_days": self.grace_days,
            "hold": self.hold,
        }


def policy_of(kept: Mapping[str, Any]) -> Policy:
    """A policy as it was kept."""
    return Policy(**{**kept, "remind_days": tuple(kept["remind_days"])})


@dataclass(frozen=True, slots=True)
class Campaign:
    """A round of asking. Instants in microseconds; `ends` is the due date with its grace."""

    id: str
    name: str
    kind: str
    scope: str
    reason: str
    state: str
    opened: int
    opened_by: str
    due: int
    total: int
    closed: int | None
    policy: Policy = field(default_factory=Policy)

    @property
    def ends(self) -> int:
        """When whoever is not answered for lapses."""
        return self.due + self.policy.grace_days * DAY


def steps(opened: int, due: int, policy: Policy) -> list[tuple[int, Step]]:
    """Every step with its instant, in order: asked at once, reminded and escalated before the due date.

    What would fall on or before the opening is left out: a short campaign reminds less, it is never
    late by itself. Overdue and lapse always come.
    """
    before = [(due - days * DAY, Step.REMIND) for days in policy.remind_days]
    before += [
        (due - policy.sponsor_days * DAY, Step.SPONSOR),
        (due - policy.manager_days * DAY, Step.MANAGER),
    ]
    planned = [(opened, Step.ASK), *(each for each in set(before) if opened < each[0] < due)]
    planned += [(due, Step.OVERDUE), (due + policy.grace_days * DAY, Step.LAPSE)]
    return sorted(planned, key=lambda step: (step[0], ORDER.index(step[1])))


def upcoming(planned: list[tuple[int, Step]], done: int, now: int) -> tuple[int, Step] | None:
    """The step to do now after `done` of them: the latest that is due, for a worker that was away.

    Its index and kind; None when nothing is due. Asking is never skipped, nor is the lapse.
    """
    due = [index for index in range(done, len(planned)) if planned[index][0] <= now]
    if not due:
        return None
    chosen = due[0] if planned[due[0]][1] is Step.ASK else due[-1]
    return chosen, planned[chosen][1]
