"""Everything one agent's page shows, read at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.attestations.evidence import summaries
from scim_bridge.attestations.requests import requests
from scim_bridge.console.timeline import Entry, decision_entry, entry_of, kind_of, one_axis
from scim_bridge.departures.facts import leaver_of, outcomes_for
from scim_bridge.departures.model import Outcome
from scim_bridge.departures.succession import POLICIES, Policies
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.agent_facts import AgentFacts, find_agent
from scim_bridge.registry.connections import connections
from scim_bridge.registry.credentials import credentials_of
from scim_bridge.registry.findings import KeptFinding, findings_of
from scim_bridge.registry.group_listing import granted
from scim_bridge.registry.groups import groups_of
from scim_bridge.registry.model import Hold
from scim_bridge.registry.throttles import throttles

ENTRIES = 25
# Of each so many are shown; one more is read, to say when there are older ones.
CALLS = 8
DECISIONS = 8
STATEMENTS = 5
# What an owner stated, in a word.
VERDICTS = {
    "confirm": "Confirmed",
    "reduce": "Confirmed with fewer groups",
    "retire": "To be retired, said",
    "refuse": "Refused",
}
SOURCES = {
    "access": "a budget",
    "admin": "an admin",
    "attestation": "attestation",
    "departure": "owner departure",
    "deletion": "deletion",
    "expiry": "expiry",
    "watch": "watch",
}


@dataclass(frozen=True, slots=True)
class Grant:
    """A group and what it grants, in the admin's words."""

    name: str
    grants: str


@dataclass(frozen=True, slots=True)
class Call:
    """An outward call about the agent: where it stands and why."""

    kind: str
    state: str
    attempts: int
    why: str
    created: int
    next_at: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """An access decision about the agent."""

    at: int
    action: str
    resource: str
    allowed: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgentPage:
    """One agent with everything around it. `older` continues the timeline, None at its end."""

    agent: AgentFacts
    groups: tuple[Grant, ...]
    credentials: tuple[Any, ...]
    statements: tuple[Mapping[str, Any], ...]
    asked: tuple[Mapping[str, Any], ...]
    departure: Outcome | None
    calls: tuple[Call, ...]
    decisions: tuple[Verdict, ...]
    entries: tuple[Entry, ...]
    older: str | None
    sources: Mapping[str, str]
    # What an IdP itself finds wrong with it.
    findings: tuple[KeptFinding, ...] = ()
    # What lets it act only so often: pace, reason, who, until.
    throttles: tuple[Mapping[str, Any], ...] = ()

    def source(self, hold: Hold) -> str:
        """Who placed a hold, in words."""
        return self.sources.get(hold.source) or SOURCES.get(hold.source.split(":", 1)[0], hold.source)

    @property
    def held_by_admin(self) -> bool:
        """True when an admin may release a hold of this agent."""
        return any(hold.source == "admin" for hold in self.agent.holds)


async def agent_page(
    reader: Reader, name: str, now: int, before: str = "", policies: Policies = POLICIES, show: str = ""
) -> AgentPage | None:
    """The page of one agent (by slug, id, userName or workload id), or None.

    `show` narrows the timeline to "changes" or "decisions".
    """
    agent = await find_agent(reader, name)
    if agent is None:
        return None
    agent_id = agent.resource.id
    credentials = await credentials_of(reader, agent_id)
    names = await _sources(reader)
    subjects = [agent_id, *(c["id"] for c in credentials)]
    entries, older = await _timeline(reader, agent_id, subjects, names, before, show)
    return AgentPage(
        agent,
        await _granted(reader, agent_id),
        tuple(credentials),
        tuple(await summaries(reader, now, agent_id, STATEMENTS + 1)),
        tuple(r for r in await requests(reader, now, agent_id, 5) if r["state"] == "open"),
        await _if_the_owner_left(reader, agent, now, policies),
        await _calls(reader, agent_id),
        await _decisions(reader, agent_id),
        entries,
        older,
        names,
        tuple(await findings_of(reader, agent_id)),
        tuple(await throttles(reader, now, agent_id)),
    )


async def _granted(reader: Reader, agent_id: str) -> tuple[Grant, ...]:
    groups = (await groups_of(reader, [agent_id]))[agent_id]
    if not groups:
        return ()
    rows = await reader.all(
        f"SELECT id, doc FROM sb_resource WHERE id IN ({marks(len(groups))})", *(group for group, _ in groups)
    )
    said = {row["id"]: granted(row["doc"]) for row in rows}
    return tuple(Grant(name, said[group]) for group, name in groups)


async def _if_the_owner_left(
    reader: Reader, agent: AgentFacts, now: int, policies: Policies
) -> Outcome | None:
    """What the rules of departures would decide today."""
    owner = agent.owners.owner
    if owner is None or not owner.active:
        return None
    leaver = await leaver_of(reader, owner, now)
    outcomes = await outcomes_for(reader, leaver, [agent.resource.id], policies=policies)
    return outcomes[0] if outcomes else None


async def _calls(reader: Reader, agent_id: str) -> tuple[Call, ...]:
    rows = await reader.all(
        "SELECT kind, state, attempts, last_error, result, created, next_at FROM sb_effect WHERE subject_id = ?"
        " ORDER BY created DESC, id DESC LIMIT ?",
        agent_id,
        CALLS + 1,
    )
    return tuple(
        Call(
            kind_of(row["kind"]),
            "waiting" if row["state"] in ("pending", "handed") else row["state"],
            row["attempts"],
            row["last_error"] or _undelivered(row["result"]),
            row["created"],
            row["next_at"],
        )
        for row in rows
    )


def _undelivered(result: str | None) -> str:
    said = orjson.loads(result) if result else {}
    return f"not delivered: {said.get('why')}" if said.get("delivered") is False else ""


async def _decisions(reader: Reader, agent_id: str) -> tuple[Verdict, ...]:
    columns = "id, at, action, resource_type, resource_id, allowed, reasons"
    rows = await newest_decisions(reader, columns, agent_id, "1 = 1", (), DECISIONS + 1)
    newest = sorted(
        (row for some in rows for row in some), key=lambda row: (row["at"], row["id"]), reverse=True
    )
    return tuple(
        Verdict(
            row["at"],
            row["action"],
            f"{row['resource_type']} {row['resource_id']}",
            bool(row["allowed"]),
            tuple(str(reason["text"]) for reason in orjson.loads(row["reasons"])),
        )
        for row in newest[: DECISIONS + 1]
    )


async def newest_decisions(
    reader: Reader, columns: str, agent_id: str, where: str, values: Sequence[Any], limit: int
) -> list[Sequence[Any]]:
    """The newest denials and the newest allows of an agent: apart, each is the end of an index."""
    return [
        await reader.all(
            f"SELECT {columns} FROM sb_decision WHERE agent_id = ? AND allowed = ? AND {where}"
            " ORDER BY at DESC, id DESC LIMIT ?",
            agent_id,
            allowed,
            *values,
            limit,
        )
        for allowed in (0, 1)
    ]


async def timeline_of(
    reader: Reader, agent: AgentFacts, before: str, show: str, limit: int
) -> tuple[tuple[Entry, ...], str | None]:
    """What happened to an agent, the newest first, behind a mark; and the mark behind which older entries begin.

    `show` narrows it to "changes" or "decisions". None for the mark: there is nothing older.
    """
    agent_id = agent.resource.id
    subjects = [agent_id, *(one["id"] for one in await credentials_of(reader, agent_id))]
    return await _timeline(reader, agent_id, subjects, await _sources(reader), before, show, limit)


async def _sources(reader: Reader) -> dict[str, str]:
    """Words for the holds that connections place, by their source."""
    return {f"connection:{each.id}": f"connection {each.name}" for each in await connections(reader)}


async def _timeline(
    reader: Reader,
    agent_id: str,
    subjects: Sequence[str],
    sources: Mapping[str, str],
    before: str,
    show: str,
    limit: int = ENTRIES,
) -> tuple[tuple[Entry, ...], str | None]:
    """What happened to the agent and its credentials, and what it was allowed and denied, on one axis."""
    where, values = "1 = 1", list[Any]()
    at, _, row_id = before.partition(".")
    if at.isascii() and at.isdigit() and len(at) < 19:
        where, values = "(at < ? OR (at = ? AND id < ?))", [int(at), int(at), row_id]
    kinds: list[list[Entry]] = []
    if show != "decisions":
        rows = await reader.all(
            "SELECT id, at, actor_kind, actor_name, action, outcome, detail, seq FROM sb_audit"
            f" WHERE subject_id IN ({marks(len(subjects))}) AND {where} ORDER BY at DESC, id DESC LIMIT ?",
            *subjects,
            *values,
            limit + 1,
        )
        kinds.append([entry_of(row, sources) for row in rows])
    if show != "changes":
        columns = "id, at, action, resource_type, resource_id, allowed, reasons, caller_name"
        found = await newest_decisions(reader, columns, agent_id, where, values, limit + 1)
        kinds += [[decision_entry(row) for row in rows] for rows in found]
    return one_axis(kinds, limit)
