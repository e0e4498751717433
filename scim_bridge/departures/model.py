"""The rules of a departure: who inherits, who is held, what one more signal means. No I/O.

An agent whose owner leaves goes to a co-owner, else it is held; sponsors and the owner's manager
are proposed to whoever decides next. Which roles inherit by themselves is data (`Succession`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from scim_bridge.kernel.clock import MINUTE, iso
from scim_bridge.registry.model import CO_OWNER, OWNER, SPONSOR, Owners, PersonRef
from scim_bridge.registry.signal import DELETED, RETURNED, Signal

MANAGER = "manager"
BUDGET = 5 * MINUTE
# An admin's word counts for every door's.
ADMIN_SOURCE = "cli"


class State(StrEnum):
    """Where a case stands. Planned may be cancelled; open and stuck have effects that are not done."""

    PLANNED = "planned"
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
class Succession:
    """Roles that inherit by themselves, in order, and roles that are only proposed."""

    inherit: tuple[str, ...] = (CO_OWNER,)
    propose: tuple[str, ...] = (SPONSOR, MANAGER)


SUCCESSION = Succession()


@dataclass(frozen=True, slots=True)
class Leaver:
    """Who leaves, since when, and who leads them."""

    person: PersonRef
    effective_at: int
    manager: PersonRef | None = None


@dataclass(frozen=True, slots=True)
class Answerable:
    """An agent and who answers for it when the decision is made."""

    agent_id: str
    slug: str
    owners: Owners


@dataclass(frozen=True, slots=True)
class Absent:
    """People who cannot inherit whatever their record says (`gone`), or only for a while (`leaving`)."""

    gone: frozenset[str] = frozenset()
    leaving: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The decision about one agent: its fate, who answers for it afterwards, and why in words."""

    agent: Answerable
    role: str
    fate: Fate
    owners: Owners
    reason: str
    successor: PersonRef | None = None
    proposed: PersonRef | None = None
    proposed_role: str = ""


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
    if signal.kind == RETURNED:
        if current is None:
            return Move.NOTHING
        if still_gone(current, signal.source):
            return Move.STILL_GONE
        return Move.CANCEL if current.state is State.PLANNED else Move.RETURN
    due = signal.immediate or signal.kind == DELETED or signal.effective_at <= now
    if current is None:
        return Move.OPEN if due else Move.PLAN
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


def decide(
    agent: Answerable, leaver: Leaver, absent: Absent, succession: Succession = SUCCESSION
) -> Outcome | None:
    """What becomes of an agent when this person leaves; None when they do not answer for it.

    Afterwards the agent has an owner who can act, or it is held: never neither.
    """
    role = role_of(agent.owners, leaver.person.id)
    if role is None:
        return None
    left = _without(agent.owners, leaver.person.id)
    who = f"{role.capitalize()} {leaver.person.display_name} left (effective {minute(leaver.effective_at)})"
    if role != OWNER and left.owner is not None and _able(left.owner, leaver, absent):
        return Outcome(agent, role, Fate.RELIEVED, left, f"{who}; {left.owner.display_name} still owns it.")
    heir = next(_heirs(succession.inherit, left, leaver, absent), None)
    if heir is not None:
        person, as_role = heir
        after = Owners(person, _others(left.co_owners, person.id), left.sponsors)
        reason = f"{who}; {as_role} {person.display_name} took over."
        return Outcome(agent, role, Fate.HANDED_OVER, after, reason, successor=person)
    proposed, proposed_role = next(_heirs(succession.propose, left, leaver, absent), (None, ""))
    # The record of who owned it stays, so that everybody sees whose agent it was.
    kept = Owners(agent.owners.owner, left.co_owners, left.sponsors)
    wanted = " or ".join(succession.inherit) or "successor"
    return Outcome(
        agent,
        role,
        Fate.HELD,
        kept,
        f"{who}; no active {wanted} could take over.",
        proposed=proposed,
        proposed_role=proposed_role,
    )


def role_of(owners: Owners, person_id: str) -> str | None:
    """The weightiest role a person has for an agent."""
    if owners.owner is not None and owners.owner.id == person_id:
        return OWNER
    if any(person.id == person_id for person in owners.co_owners):
        return CO_OWNER
    return SPONSOR if any(person.id == person_id for person in owners.sponsors) else None


def _others(people: Iterable[PersonRef], person_id: str) -> tuple[PersonRef, ...]:
    return tuple(person for person in people if person.id != person_id)


def _without(owners: Owners, person_id: str) -> Owners:
    owner = owners.owner if owners.owner is not None and owners.owner.id != person_id else None
    return Owners(owner, _others(owners.co_owners, person_id), _others(owners.sponsors, person_id))


def _able(person: PersonRef, leaver: Leaver, absent: Absent) -> bool:
    return person.active and person.id != leaver.person.id and person.id not in absent.gone


def _heirs(
    roles: Iterable[str], left: Owners, leaver: Leaver, absent: Absent
) -> Iterator[tuple[PersonRef, str]]:
    """People who could answer for the agent, in order; those about to leave themselves come last."""
    line = {
        CO_OWNER: left.co_owners,
        SPONSOR: left.sponsors,
        MANAGER: (leaver.manager,) if leaver.manager is not None else (),
    }
    able = [(p, role) for role in roles for p in line[role] if _able(p, leaver, absent)]
    yield from sorted(able, key=lambda heir: heir[0].id in absent.leaving)


def minute(instant: int) -> str:
    """An instant for people, to the minute in UTC: 2026-11-24T18:00Z."""
    return f"{iso(instant)[:16]}Z"


def release_text(case_id: str, outcome: Outcome) -> str:
    """What releases the hold of a departure, as a command to copy, and who would be next in line."""
    command = f"a new owner: scim-bridge departures hand-over {case_id} {outcome.agent.slug} --to PERSON"
    if outcome.proposed is None:
        return command
    return f"{command} (next in line: {outcome.proposed.display_name}, {outcome.proposed_role})"
