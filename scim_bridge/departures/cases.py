"""Cases as rows: opening one, finding one, moving it on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from scim_bridge.departures.model import Absent, Case, Outcome, State
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import Work
from scim_bridge.registry.model import CO_OWNER, OWNER, SPONSOR, Owners, PersonRef
from scim_bridge.registry.signal import Signal

COLUMNS = (
    "id, person_id, person, display_name, state, source, gone_by, immediate, signal_at, heard_at,"
    " effective_at, decided_at, closed_at, note, kind, brake_id, released, until, drill"
)


def case_of(row: Any) -> Case:
    """A row of sb_departure as a value."""
    return Case(
        id=row["id"],
        person_id=row["person_id"],
        person=row["person"],
        display_name=row["display_name"],
        state=State(row["state"]),
        source=row["source"],
        gone_by=tuple(orjson.loads(row["gone_by"])),
        immediate=bool(row["immediate"]),
        signal_at=row["signal_at"],
        heard_at=row["heard_at"],
        effective_at=row["effective_at"],
        decided_at=row["decided_at"],
        closed_at=row["closed_at"],
        note=row["note"],
        kind=row["kind"],
        brake_id=row["brake_id"],
        released=row["released"],
        until=row["until"],
        drill=row["drill"],
    )


async def newest(reader: Reader, person_id: str) -> Case | None:
    """The newest case of a person."""
    row = await reader.one(
        f"SELECT {COLUMNS} FROM sb_departure WHERE person_id = ? ORDER BY heard_at DESC, id DESC LIMIT 1",
        person_id,
    )
    return None if row is None else case_of(row)


async def standing(work: Work, person_id: str) -> list[Case]:
    """Every case of a person in which some door still says they are gone, the oldest first."""
    rows = await work.tx.all(
        f"SELECT {COLUMNS} FROM sb_departure WHERE person_id = ? AND gone_by <> '[]' AND state <> ?"
        " ORDER BY heard_at, id",
        person_id,
        State.CANCELLED.value,
    )
    return [case_of(row) for row in rows]


async def find_case(reader: Reader, name: str) -> Case:
    """The case with this id, or the newest one of the person with this userName; NotFound otherwise."""
    row = None
    if name.isprintable():
        row = await reader.one(
            f"SELECT {COLUMNS} FROM sb_departure WHERE id = ? OR person = ?"
            " ORDER BY CASE WHEN id = ? THEN 0 ELSE 1 END, heard_at DESC, id DESC LIMIT 1",
            name,
            name,
            name,
        )
    if row is None:
        raise NotFound(
            "case-unknown", f"There is no departure {name!r}.", "See `scim-bridge departures list`."
        )
    return case_of(row)


async def locked(work: Work, case_id: str) -> Case | None:
    """A case, locked for this transaction: two effects that end at once must not both overlook the other."""
    row = await work.tx.one(f"SELECT {COLUMNS} FROM sb_departure WHERE id = ?{work.tx.for_update}", case_id)
    return None if row is None else case_of(row)


async def due_cases(reader: Reader, now: int, limit: int = 200) -> list[Case]:
    """Planned cases whose leave date came, the oldest first."""
    rows = await reader.all(
        f"SELECT {COLUMNS} FROM sb_departure WHERE state = ? AND effective_at <= ? ORDER BY effective_at, id LIMIT ?",
        State.PLANNED.value,
        now,
        limit,
    )
    return [case_of(row) for row in rows]


async def add_case(
    work: Work,
    person: PersonRef,
    signal: Signal,
    state: State,
    *,
    kind: str | None = None,
    until: int | None = None,
    drill: int | None = None,
) -> Case:
    """Open a case for a person because of a signal."""
    case = Case(
        id=work.ids.new(),
        person_id=person.id,
        person=person.user_name,
        display_name=person.display_name,
        state=state,
        source=signal.source,
        gone_by=(signal.source,),
        immediate=signal.immediate,
        signal_at=signal.at,
        heard_at=work.now,
        effective_at=signal.effective_at,
        kind=kind,
        until=until,
        drill=drill,
    )
    await work.tx.run(
        f"INSERT INTO sb_departure ({COLUMNS}) VALUES ({marks(19)})",
        case.id,
        case.person_id,
        case.person,
        case.display_name,
        case.state.value,
        case.source,
        _json(case.gone_by),
        int(case.immediate),
        case.signal_at,
        case.heard_at,
        case.effective_at,
        None,
        None,
        "",
        case.kind,
        None,
        None,
        case.until,
        case.drill,
    )
    return case


async def put_in_brake(work: Work, case: Case) -> None:
    """Write that a case is held by a brake."""
    await work.tx.run(
        "UPDATE sb_departure SET state = ?, brake_id = ? WHERE id = ?",
        case.state.value,
        case.brake_id,
        case.id,
    )


async def count(work: Work, case_id: str, source: str, answers: int, urgent: bool) -> None:
    """Write that the brake counted this case now, by this door's word."""
    await work.tx.run(
        "UPDATE sb_departure SET counted = ?, counted_by = ?, answers = ?, urgent = ? WHERE id = ?",
        work.now,
        source,
        answers,
        1 if urgent else None,
        case_id,
    )


async def store_heard(work: Work, case: Case) -> None:
    """Write what was heard about a case. Its state is left alone: an effect may be closing it just now."""
    await work.tx.run(
        "UPDATE sb_departure SET gone_by = ?, immediate = ?, signal_at = ?, heard_at = ?, effective_at = ?,"
        " note = ? WHERE id = ?",
        _json(case.gone_by),
        int(case.immediate),
        case.signal_at,
        case.heard_at,
        case.effective_at,
        case.note,
        case.id,
    )


async def store_state(work: Work, case: Case) -> None:
    """Write where a case stands. The caller holds the person's lock (planned) or the case's (decided)."""
    await work.tx.run(
        "UPDATE sb_departure SET state = ?, decided_at = ?, closed_at = ? WHERE id = ?",
        case.state.value,
        case.decided_at,
        case.closed_at,
        case.id,
    )


DECIDED = (
    "case_id, agent_id, slug, role, fate, reason, successor, successor_id, proposed, decided, rule, meanwhile, before,"
    " accept_by"
)


async def add_outcomes(work: Work, case_id: str, outcomes: Iterable[Outcome]) -> None:
    """Keep what was decided per agent, by which rule, and who answered for it before."""
    await work.tx.many(
        f"INSERT INTO sb_departure_agent ({DECIDED}) VALUES ({marks(14)})",
        [(case_id, *_decided(outcome, work.now)) for outcome in outcomes],
    )


def _decided(outcome: Outcome, now: int) -> tuple[Any, ...]:
    return (
        outcome.agent.agent_id,
        outcome.agent.slug,
        outcome.role,
        outcome.fate.value,
        outcome.reason,
        outcome.successor.user_name if outcome.successor is not None else None,
        outcome.successor.id if outcome.successor is not None else None,
        outcome.proposed.user_name if outcome.proposed is not None else None,
        now,
        f"{outcome.rule}: {outcome.because}" if outcome.because else outcome.rule,
        outcome.meanwhile,
        orjson.dumps(_ids(outcome.agent.owners)).decode(),
        None if outcome.accept_within is None else now + outcome.accept_within,
    )


def _ids(owners: Owners) -> dict[str, list[str]]:
    """Who answered for an agent, by id: what is given back when they return."""
    return {
        OWNER: [owners.owner.id] if owners.owner is not None else [],
        CO_OWNER: [person.id for person in owners.co_owners],
        SPONSOR: [person.id for person in owners.sponsors],
    }


async def outcomes_of(reader: Reader, case_id: str) -> list[Any]:
    """The rows of what was decided per agent, by slug."""
    return list(
        await reader.all(
            "SELECT * FROM sb_departure_agent WHERE case_id = ? ORDER BY slug, agent_id", case_id
        )
    )


async def absent(reader: Reader, person_ids: Iterable[str]) -> Absent:
    """Which of these people are gone by some door's word, and which are about to leave."""
    wanted = sorted(set(person_ids))
    if not wanted:
        return Absent()
    rows = await reader.all(
        "SELECT person_id, state FROM sb_departure WHERE gone_by <> '[]' AND state <> ?"
        f" AND person_id IN ({marks(len(wanted))})",
        State.CANCELLED.value,
        *wanted,
    )
    # What the brake holds is not believed yet; who may be gone comes last, as who is about to leave does.
    undecided = (State.PLANNED, State.HELD)
    leaving = frozenset(row["person_id"] for row in rows if row["state"] in undecided)
    return Absent(frozenset(row["person_id"] for row in rows) - leaving, leaving)


def _json(doors: tuple[str, ...]) -> str:
    return orjson.dumps(doors).decode()
