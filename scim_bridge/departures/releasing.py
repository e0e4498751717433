"""The way out of the brake: named people release what it holds, or reject the news."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.departures.brake import Brake, approvals_needed
from scim_bridge.departures.cases import COLUMNS, case_of, store_heard, store_state
from scim_bridge.departures.model import Case, State
from scim_bridge.departures.parking import one_by_one
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid, NotFound, Refused
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_facts import facts_of
from scim_bridge.registry.holds import release_hold
from scim_bridge.registry.people import set_employed, set_leave
from scim_bridge.registry.people_refs import people

OPEN = "open"
RELEASE = "release"
REJECT = "reject"
SHORTEST_REASON = 3


@dataclass(frozen=True, slots=True)
class Approver:
    """Who decides. `key` tells people apart: the account of the operating system, or the label of an API token.

    `via` is by what they were known ("account anna", "token …1a2b3c"): a label is what its holder wrote on it.
    """

    key: str
    name: str
    via: str = ""

    @property
    def known_as(self) -> str:
        """Name, and by what they were known."""
        return f"{self.name} ({self.via})" if self.via else self.name


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a brake: its state, how many cases it held, and how many more approvals it needs."""

    state: str
    cases: int
    missing: int


async def release(work: Work, brake: Brake, brake_id: str, by: Approver, reason: str) -> Verdict:
    """Let the parked cases go on, once enough different people said so.

    NotFound for an unknown brake; Refused when it is not on, or this person released it already and another
    one is still needed: what it holds may have become fewer since. Carried out within seconds, by the next
    process that looks for what is due.
    """
    held = await _held_by_open(work, brake_id, reason)
    said = await _said(work, brake_id)
    missing = approvals_needed(brake, len(held)) - len({*said, by.key})
    if missing > 0 and by.key in said:
        raise Refused(
            "brake-same-person",
            f"{by.name} said so already; a second person is needed.",
            "Ask somebody else to release it with their own account or token.",
        )
    await _write_down(work, brake_id, by, RELEASE, reason)
    detail = {
        "by": by.name,
        "key": by.key,
        "via": by.via,
        "reason": reason,
        "cases": len(held),
        "missing": max(0, missing),
    }
    await record(work, "departure.brake_approved", "departure-brake", brake_id, detail)
    if missing > 0:
        return Verdict(OPEN, len(held), missing)
    for case in held:
        await work.tx.run(
            "UPDATE sb_departure SET state = ?, released = ?, counted = NULL, note = ? WHERE id = ?",
            State.PLANNED.value,
            work.now,
            f"Let go by the brake: {reason}",
            case.id,
        )
        if case.effective_at > work.now:
            # A date ahead is believed now: it counts from here as every planned leave does.
            await set_leave(work, case.person_id, case.effective_at)
        told = {"person": case.person, "brake": brake_id}
        await record(work, "departure.released", "departure", case.id, told)
    await _end(work, brake_id, "released", len(held))
    return Verdict("released", len(held), 0)


async def reject(work: Work, brake_id: str, by: Approver, reason: str) -> Verdict:
    """Take the news back: every parked case is cancelled and its person counts as employed.

    One person's word: nothing is stopped by it. Agents of people who were deleted meanwhile stay held
    until somebody owns them.
    """
    held = await _held_by_open(work, brake_id, reason)
    await _write_down(work, brake_id, by, REJECT, reason)
    for case in held:
        note = f"Rejected by {by.known_as}: {reason}"
        await store_heard(work, replace(case, gone_by=(), note=note))
        await store_state(work, replace(case, state=State.CANCELLED))
        await record(work, "departure.cancelled", "departure", case.id, {"person": case.person, "why": note})
        person = (await people(work.tx, [case.person_id])).get(case.person_id)
        if person is not None:
            await set_leave(work, person.id, None)
            if not person.active:
                await set_employed(work, person.id, True)
        await _let_go(work, case, note)
    await _end(work, brake_id, "rejected", len(held))
    return Verdict("rejected", len(held), 0)


async def _held_by_open(work: Work, brake_id: str, reason: str) -> list[Case]:
    """The cases a word about this brake is about, the oldest first; nobody else decides until this ends."""
    if len(reason.strip()) < SHORTEST_REASON:
        raise Invalid("brake-reason", "A reason is needed.", "Say in a few words why: it is audited.")
    await one_by_one(work)
    state = await state_of(work.tx, brake_id)
    if state != OPEN:
        raise Refused("brake-over", f"This brake was {state} already.", "Nothing waits in it.")
    rows = await work.tx.all(
        f"SELECT {COLUMNS} FROM sb_departure WHERE brake_id = ? AND state = ? ORDER BY id",
        brake_id,
        State.HELD.value,
    )
    return [case_of(row) for row in rows]


async def state_of(reader: Reader, brake_id: str) -> str:
    """Open, released, rejected or lifted; NotFound for a brake there never was."""
    row = await reader.one("SELECT state FROM sb_departure_brake WHERE id = ?", brake_id)
    if row is None:
        raise NotFound(
            "brake-unknown",
            f"There is no brake {brake_id[:60]!r}.",
            "See `scim-bridge departures brake list`.",
        )
    return str(row["state"])


async def _said(work: Work, brake_id: str) -> set[str]:
    """The keys of who released this brake so far."""
    rows = await work.tx.all(
        "SELECT approver FROM sb_departure_approval WHERE brake_id = ? AND verdict = ?", brake_id, RELEASE
    )
    return {row["approver"] for row in rows}


async def _write_down(work: Work, brake_id: str, by: Approver, verdict: str, reason: str) -> None:
    await work.tx.run(
        "INSERT INTO sb_departure_approval (brake_id, approver, name, via, verdict, reason, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (brake_id, approver) DO UPDATE SET name = excluded.name,"
        " via = excluded.via, verdict = excluded.verdict, reason = excluded.reason, at = excluded.at",
        brake_id,
        by.key,
        by.name,
        by.via,
        verdict,
        reason.strip(),
        work.now,
    )


async def _let_go(work: Work, case: Case, note: str) -> None:
    """Release what was held because the owner was deleted, where somebody owns the agent by now."""
    rows = await work.tx.all("SELECT agent_id FROM sb_departure_agent WHERE case_id = ?", case.id)
    facts = await facts_of(work.tx, [row["agent_id"] for row in rows])
    for agent_id, agent in sorted(facts.items()):
        if agent.owners.owner is not None and agent.owners.owner.active:
            await release_hold(work, agent_id, case.hold_source, note)


async def _end(work: Work, brake_id: str, state: str, cases: int) -> None:
    await work.tx.run(
        "UPDATE sb_departure_brake SET state = ?, ended = ? WHERE id = ?", state, work.now, brake_id
    )
    await record(work, f"departure.brake_{state}", "departure-brake", brake_id, {"cases": cases})


async def brakes(reader: Reader, brake: Brake, *, every: bool = False) -> list[dict[str, Any]]:
    """The brakes that are on, with what they hold and who has released them so far; with `every`, all."""
    where = "" if every else " WHERE b.state = 'open'"
    rows = await reader.all(
        "SELECT b.id, b.source, b.state, b.reason, b.opened, b.ended, COUNT(d.id) AS held"
        " FROM sb_departure_brake b LEFT JOIN sb_departure d ON d.brake_id = b.id AND d.state = 'held'"
        f"{where} GROUP BY b.id, b.source, b.state, b.reason, b.opened, b.ended ORDER BY b.id DESC LIMIT 200"
    )
    words = await reader.all(
        "SELECT a.brake_id, a.approver, a.name, a.via, a.verdict, a.reason, a.at"
        " FROM sb_departure_approval a ORDER BY a.at"
    )
    said: dict[str, list[str]] = {}
    for word in words:
        who = Approver(word["approver"], word["name"], word["via"]).known_as
        line = f"{who}: {word['verdict']} ({word['reason']}) {iso(word['at'])}"
        said.setdefault(word["brake_id"], []).append(line)
    return [
        {
            "id": row["id"],
            "source": row["source"],
            "state": "HELD" if row["state"] == OPEN else row["state"],
            "held": row["held"],
            "reason": row["reason"],
            "since": row["opened"],
            "ended": None if row["ended"] is None else iso(row["ended"]),
            "approvals": said.get(row["id"], []),
            "needed": approvals_needed(brake, row["held"]),
        }
        for row in rows
    ]


async def held_people(reader: Reader, brake_id: str) -> list[dict[str, Any]]:
    """Whose cases a brake holds; NotFound for a brake there never was."""
    await state_of(reader, brake_id)
    rows = await reader.all(
        "SELECT id, person, display_name, answers, effective_at FROM sb_departure"
        " WHERE brake_id = ? AND state = 'held' ORDER BY id",
        brake_id,
    )
    return [
        {
            "case": row["id"],
            "person": row["person"],
            "name": row["display_name"],
            "owns": row["answers"] or 0,
            "effective": iso(row["effective_at"]),
        }
        for row in rows
    ]
