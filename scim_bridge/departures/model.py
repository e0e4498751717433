"""The values of a departure, and what one more signal means for a case. No I/O.

Who inherits is in `succession.py`, by policies that are data.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from scim_bridge.kernel.clock import MINUTE, iso
from scim_bridge.registry.model import Owners, PersonRef
from scim_bridge.registry.signal import AWAY, DELETED, RETURNED, Signal

VOLUNTARY = "voluntary"
INVOLUNTARY = "involuntary"
ABSENCE = "absence"
LEAVES = (VOLUNTARY, INVOLUNTARY, ABSENCE)
RUNNING = "running"
HELD = "held"
BUDGET = 5 * MINUTE
# An admin's word counts for every door's.
ADMIN_SOURCE = "cli"


class State(StrEnum):
    """Where a case stands. Planned and held (by the brake) may be cancelled; open and stuck have effects
    that are not done."""

    PLANNED = "planned"
    HELD = "held"
    CANCELLED = "cancelled"
    OPEN = "open"
    STUCK = "stuck"
    CLOSED = "closed"


class Fate(StrEnum):
    """What becomes of one agent."""

    HANDED_OVER = "handed-over"
    HELD = "held"
    RELIEVED = "relieved"


class Move(StrEnum):
    """What one more signal asks for."""

    NOTHING = "nothing"
    PLAN = "plan"
    REPLAN = "replan"
    OPEN = "open"
    EXECUTE = "execute"
    REPEAT = "repeat"
    CANCEL = "cancel"
    RETURN = "return"
    STILL_GONE = "still-gone"


@dataclass(frozen=True, slots=True)
class Leaver:
    """Who leaves, since when, who leads them, in what way they leave, and which door says so.

    `did` is what they did, in the past tense, for the reasons people read.
    """

    person: PersonRef
    effective_at: int
    manager: PersonRef | None = None
    leave: str = VOLUNTARY
    door: str = ""
    did: str = "left"


@dataclass(frozen=True, slots=True)
class Answerable:
    """An agent, who answers for it when the decision is made, and what policies ask about it.

    `origin` is the connection that made it, or manifest.
    """

    agent_id: str
    slug: str
    owners: Owners
    environment: str = "unknown"
    risk_tier: str = "unknown"
    platform: str = "unknown"
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Absent:
    """People who cannot inherit whatever their record says (`gone`), or only for a while (`leaving`)."""

    gone: frozenset[str] = frozenset()
    leaving: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The decision about one agent: its fate, who answers for it afterwards, and why in words.

    `rule` decided, for `because`. With `accept_within` (microseconds) the successor must accept; what the
    agent may do `meanwhile` is running or held. `revoke`: the credentials of a held agent go.
    """

    agent: Answerable
    role: str
    fate: Fate
    owners: Owners
    reason: str
    successor: PersonRef | None = None
    proposed: PersonRef | None = None
    proposed_role: str = ""
    rule: str = "default"
    because: str = ""
    accept_within: int | None = None
    meanwhile: str = RUNNING
    revoke: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """A departure. `gone_by` are the doors that say the person is gone and did not take it back."""

    id: str
    person_id: str
    person: str
    display_name: str
    state: State
    source: str
    gone_by: tuple[str, ...]
    immediate: bool
    signal_at: int
    heard_at: int
    effective_at: int
    decided_at: int | None = None
    closed_at: int | None = None
    note: str = ""
    kind: str | None = None
    brake_id: str | None = None
    released: int | None = None
    until: int | None = None
    drill: int | None = None

    @property
    def undecided(self) -> bool:
        """True while nothing was carried out: the leave date lies ahead, or the brake holds it."""
        return self.state in (State.PLANNED, State.HELD)

    @property
    def begun(self) -> int:
        """When the five minutes began: heard of, in effect, and let go by the brake."""
        return max(self.heard_at, self.effective_at, self.released or 0)

    @property
    def leave(self) -> str:
        """In what way the person leaves, in the words of policies."""
        if self.kind == ABSENCE:
            return ABSENCE
        return INVOLUNTARY if self.immediate else VOLUNTARY

    @property
    def hold_source(self) -> str:
        """The source under which this case places holds."""
        return f"departure:{self.id}"

    @property
    def live(self) -> bool:
        """True while somebody still says the person is gone (or will be)."""
        return bool(self.gone_by) and self.state is not State.CANCELLED


def move(case: Case | None, signal: Signal, now: int) -> Move:
    """What a signal means for the newest case of its person."""
    current = case if case is not None and case.live else None
    if signal.kind == AWAY and current is not None and current.kind != ABSENCE:
        # Who left, or is about to, is not on leave: the stronger word counts.
        return Move.NOTHING
    if signal.kind == RETURNED:
        if current is None:
            return Move.NOTHING
        if still_gone(current, signal.source):
            return Move.STILL_GONE
        return Move.CANCEL if current.undecided else Move.RETURN
    due = signal.immediate or signal.kind == DELETED or signal.effective_at <= now
    if current is None:
        return Move.OPEN if due else Move.PLAN
    if current.state is State.HELD:
        # More of the same news waits with it; that the leave is involuntary is news.
        return Move.EXECUTE if signal.immediate and not current.immediate else Move.REPEAT
    if current.state is not State.PLANNED:
        return Move.REPEAT
    if due:
        return Move.EXECUTE
    # News that was overtaken on its way must not move the date back.
    moved = signal.effective_at != current.effective_at and signal.at >= current.signal_at
    return Move.REPLAN if moved else Move.REPEAT


def still_gone(case: Case, returned_by: str) -> tuple[str, ...]:
    """The doors that still say the person is gone when one says the opposite."""
    return () if returned_by == ADMIN_SOURCE else tuple(s for s in case.gone_by if s != returned_by)


def minute(instant: int) -> str:
    """An instant for people, to the minute in UTC: 2026-11-24T18:00Z."""
    return f"{iso(instant)[:16]}Z"
