"""A file of leavers from HR: who is meant, what would follow, and telling it, each row once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import Actor, Store, Work
from scim_bridge.registry.model import ENTERPRISE_URN, PERSON
from scim_bridge.registry.people_refs import people_named
from scim_bridge.registry.signal import LEFT, React, Signal
from scim_bridge.signals.doors import note_heard
from scim_bridge.signals.hr import moment, zone_of
from scim_bridge.signals.leave_rows import Fault, LeaveFile, Row
from scim_bridge.signals.service import accept

DOOR = "csv"
# As for a sync plan: held above so many, or above this share of everybody who works here, from three on.
COUNT = 10
PERCENT = 20
FEW = 3

Progress = Callable[[int, int], None]
"""How many rows are done, of how many."""


@dataclass(frozen=True, slots=True)
class Leaver:
    """A row whose person is known, and when the leave takes effect (microseconds)."""

    row: Row
    person_id: str
    user_name: str
    effective_at: int
    agents: int
    told: bool


@dataclass(frozen=True, slots=True)
class LeavePlan:
    """What a file asks for. `held` says why it is not done without a reason; empty when nothing is wrong."""

    digest: str
    leavers: tuple[Leaver, ...]
    faults: tuple[Fault, ...]
    unknown: tuple[Fault, ...]
    held: str = ""

    @property
    def open(self) -> list[Leaver]:
        """Those that were not told before from this very file."""
        return [one for one in self.leavers if not one.told]


@dataclass(slots=True)
class _People:
    """Employee numbers of everybody, read once when a row needs them."""

    numbers: dict[str, set[str]] | None = field(default=None)

    async def numbered(self, reader: Reader, number: str) -> set[str]:
        """The ids of everybody with this employee number."""
        if self.numbers is None:
            self.numbers = {}
            rows = await reader.all(
                "SELECT id, doc FROM sb_resource WHERE kind = ? AND deleted IS NULL", PERSON
            )
            for row in rows:
                known = (orjson.loads(row["doc"]).get(ENTERPRISE_URN) or {}).get("employeeNumber")
                if isinstance(known, str):
                    self.numbers.setdefault(known.casefold(), set()).add(row["id"])
        return self.numbers.get(number.casefold(), set())


async def plan(
    reader: Reader, found: LeaveFile, now: int, *, count: int = COUNT, percent: int = PERCENT
) -> LeavePlan:
    """Whom the rows mean and what they ask for; nothing is written. Somebody named twice is a fault."""
    people, faults = _People(), list(found.faults)
    unknown: list[Fault] = []
    leavers: dict[str, Leaver] = {}
    for row in found.rows:
        ids, why = await _meant(reader, people, row)
        if len(ids) != 1:
            (faults if why else unknown).append(Fault(row.line, why or f"nobody is known as {row.named!r}"))
            continue
        leaver = await _leaver(reader, found.digest, row, ids.pop(), now)
        other = leavers.get(leaver.person_id)
        if other is not None:
            faults.append(Fault(row.line, f"{leaver.user_name} stands in line {other.row.line} as well"))
            continue
        leavers[leaver.person_id] = leaver
    working = await reader.one(
        "SELECT COUNT(*) AS n FROM sb_resource WHERE kind = ? AND deleted IS NULL AND active = 1", PERSON
    )
    here = 0 if working is None else int(working["n"])
    made = LeavePlan(found.digest, tuple(leavers.values()), tuple(faults), tuple(unknown))
    return replace(made, held=_held(len(made.open), here, count, percent))


def _held(number: int, working: int, count: int, percent: int) -> str:
    if number > count or (number >= FEW and number * 100 > percent * working):
        return f"{number} of {working} people would leave at once, more than {count} or {percent} %."
    return ""


async def _meant(reader: Reader, people: _People, row: Row) -> tuple[set[str], str]:
    """Everybody all names of a row agree on, and what is wrong when that is not one person or nobody."""
    every = [set(await people_named(reader, name)) for name in (row.user_name, row.email) if name]
    if row.number:
        every.append(await people.numbered(reader, row.number))
    known = [found for found in every if found]
    if not known:
        return set(), ""
    agreed = set.intersection(*known)
    if len(agreed) == 1:
        return agreed, ""
    return set(), f"{row.named!r} and what stands beside it do not name the same single person"


async def _leaver(reader: Reader, digest: str, row: Row, person_id: str, now: int) -> Leaver:
    rows = await reader.all(
        "SELECT r.name, p.time_zone, (SELECT COUNT(DISTINCT o.agent_id) FROM sb_owner o JOIN sb_resource a"
        " ON a.id = o.agent_id AND a.deleted IS NULL WHERE o.person_id = r.id) AS agents"
        " FROM sb_resource r JOIN sb_person p ON p.id = r.id WHERE r.id = ?",
        person_id,
    )
    found = rows[0]
    told = await reader.one(
        "SELECT 1 AS x FROM sb_signal WHERE source = ? AND key = ?", DOOR, _key(digest, row)
    )
    when = now
    if row.last_day is not None and not row.involuntary:
        when = moment(row.last_day, zone_of((row.zone, found["time_zone"])))
    return Leaver(row, person_id, found["name"], when, found["agents"], told is not None)


def _key(digest: str, row: Row) -> str:
    return f"{digest[:32]}:{row.line}"


async def carry_out(
    store: Store,
    actor: Actor,
    made: LeavePlan,
    react: React,
    *,
    reason: str,
    release: str = "",
    progress: Progress = lambda _done, _of: None,
) -> int:
    """Tell every leave of a plan, one transaction each; how many were new. Begun again, it goes on where it was.

    `release` is why a plan that is held is done nevertheless; audited.
    """
    waiting = made.open

    async def begin(work: Work) -> None:
        detail: Mapping[str, object] = {
            "file": made.digest,
            "leavers": len(waiting),
            "held": made.held,
            "release": release,
        }
        await record(work, "signal.file_taken", "signal", None, detail)

    if waiting:
        await store.transact(actor, begin)
    told = 0
    for done, leaver in enumerate(waiting, start=1):
        told += await store.transact(actor, _telling(made.digest, leaver, reason, react))
        progress(done, len(waiting))
    return told


def _telling(digest: str, leaver: Leaver, reason: str, react: React) -> Callable[[Work], Awaitable[int]]:
    async def body(work: Work) -> int:
        signal = Signal(
            source=DOOR,
            key=_key(digest, leaver.row),
            kind=LEFT,
            person_id=leaver.person_id,
            at=work.now,
            effective_at=leaver.effective_at,
            reason=reason,
            immediate=leaver.row.involuntary,
        )
        fresh = await accept(work, signal, react)
        await note_heard(work, DOOR, DOOR, event=work.now, events=int(fresh))
        return int(fresh)

    return body


def shown(leavers: Sequence[Leaver], now: int) -> list[dict[str, object]]:
    """Leavers for a table: what each row asks for."""
    return [
        {
            "line": one.row.line,
            "person": one.user_name,
            "at": one.effective_at,
            "kind": "involuntary" if one.row.involuntary else "voluntary",
            "then": "told before" if one.told else "now" if one.effective_at <= now else "planned",
            "agents": one.agents,
        }
        for one in leavers
    ]
