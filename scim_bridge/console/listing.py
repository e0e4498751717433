"""The list of agents: a search as SQL, page by page by slug, and the counts above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

from scim_bridge.console.search import Search, Term
from scim_bridge.kernel import counters
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import like, marks
from scim_bridge.registry.agent_facts import AgentFacts, facts_of
from scim_bridge.registry.groups import groups_of
from scim_bridge.registry.model import OWNER, fold
from scim_bridge.registry.people_refs import find_person

PAGE = 50
# People or groups that fit a name are looked up by their ids, where they are no more than this.
NAMED = 200
Condition = tuple[str, tuple[Any, ...]]
NOTHING: Condition = ("1 = 0", ())


@dataclass(frozen=True, slots=True)
class Line:
    """One agent of the list."""

    agent: AgentFacts
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Some agents by slug; `before` and `after` are where the neighbouring pages begin, or None."""

    lines: tuple[Line, ...]
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many agents there are, and how many need somebody."""

    all: int
    held: int
    ownerless: int
    unattested: int

    @property
    def active(self) -> int:
        """Agents that may act."""
        return self.all - self.held


async def page(reader: Reader, search: Search, *, after: str = "", before: str = "") -> Page:
    """The agents a search finds, in order of slug: those after, or just before, the given slug."""
    conditions = await _conditions(reader, search)
    backward = bool(before) and not after
    if after or before:
        conditions.append((f"a.slug {'<' if backward else '>'} ?", (before if backward else after,)))
    where = " AND ".join(["r.deleted IS NULL", *(f"({sql})" for sql, _ in conditions)])
    values = [value for _, some in conditions for value in some]
    rows = await reader.all(
        f"SELECT a.id, a.slug FROM sb_agent a JOIN sb_resource r ON r.id = a.id WHERE {where}"
        f" ORDER BY a.slug {'DESC' if backward else 'ASC'} LIMIT ?",
        *values,
        PAGE + 1,
    )
    more = len(rows) > PAGE
    kept = list(rows[:PAGE])
    if backward:
        kept.reverse()
    lines = await _lines(reader, [row["id"] for row in kept])
    if not kept:
        return Page((), None, None)
    first, last = kept[0]["slug"], kept[-1]["slug"]
    if backward:
        return Page(lines, first if more else None, last)
    return Page(lines, first if after else None, last if more else None)


async def agents_after(reader: Reader, search: Search, after: str, limit: int) -> list[tuple[str, str]]:
    """(id, slug) of the agents a search finds, in order of slug: those after the given slug."""
    conditions = [*await _conditions(reader, search), ("a.slug > ?", (after,))]
    rows = await reader.all(
        "SELECT a.id, a.slug FROM sb_agent a JOIN sb_resource r ON r.id = a.id WHERE r.deleted IS NULL AND "
        + " AND ".join(f"({sql})" for sql, _ in conditions)
        + " ORDER BY a.slug LIMIT ?",
        *(value for _, some in conditions for value in some),
        limit,
    )
    return [(row["id"], row["slug"]) for row in rows]


async def _conditions(reader: Reader, search: Search) -> list[Condition]:
    few = FEW if len(search.terms) + len(search.words) > 1 else await _walked(reader)
    conditions = [await _condition(reader, term, few) for term in search.terms]
    return conditions + [_word(word) for word in search.words]


async def _lines(reader: Reader, ids: Sequence[str]) -> tuple[Line, ...]:
    facts = await facts_of(reader, ids)
    groups = await groups_of(reader, ids)
    return tuple(Line(facts[i], tuple(name for _, name in groups[i])) for i in ids if i in facts)


async def counts(reader: Reader) -> Counts:
    """The counts above the list, over every live agent."""
    return Counts(
        await counters.total(reader, "live:agent"),
        await _count(
            reader,
            "SELECT COUNT(DISTINCT h.agent_id) AS n FROM sb_hold h JOIN sb_resource r ON r.id = h.agent_id"
            " WHERE h.released IS NULL AND r.deleted IS NULL",
        ),
        await _count(
            reader,
            "SELECT COUNT(*) AS n FROM sb_agent a JOIN sb_resource r ON r.id = a.id WHERE r.deleted IS NULL"
            f" AND {NO_OWNER}",
        ),
        await _count(
            reader,
            "SELECT COUNT(*) AS n FROM sb_agent a JOIN sb_resource r ON r.id = a.id WHERE r.deleted IS NULL"
            " AND a.attestation_state <> 'valid'",
        ),
    )


async def _count(reader: Reader, sql: str) -> int:
    row = await reader.one(sql)
    return int(row["n"]) if row is not None else 0


# Up to so many agents are looked up by their ids and sorted; where more fit, the list is walked by slug until the
# page is full, which among so many is soon. More filters than one leave fewer of them: the longer walk.
FEW = 1_000
# An owner who left answers for nothing.
NO_OWNER = (
    "NOT EXISTS (SELECT 1 FROM sb_owner o JOIN sb_resource p ON p.id = o.person_id WHERE o.agent_id = a.id"
    f" AND o.role = '{OWNER}' AND p.deleted IS NULL AND p.active = 1)"
)


async def _walked(reader: Reader) -> int:
    """How many agents may fit one filter before walking to a full page takes less than looking each of them up.

    Of N agents, n of which fit, some PAGE * N / n are walked over; to look one up takes as long as some 25 steps.
    """
    return min(FEW, isqrt(PAGE * await counters.total(reader, "live:agent") // 25))


async def _condition(reader: Reader, term: Term, few: int) -> Condition:
    sql, values = await _positive(reader, term.key, fold(term.value), few)
    return (f"NOT ({sql})", values) if term.negated else (sql, values)


async def _positive(reader: Reader, key: str, value: str, few: int) -> Condition:
    match key:
        case "state":
            if value == "held":
                return await _those(reader, "sb_hold", "agent_id", "released IS NULL", (), few)
            return ("r.active = 1", ()) if value == "active" else NOTHING
        case "owner" | "person":
            if value == "none":
                return NO_OWNER, ()
            return await _answered_by(reader, value, OWNER if key == "owner" else None, few)
        case "group":
            return await _in_group(reader, value, few)
        case "platform":
            return "LOWER(a.platform) = ?", (value,)
        case "env":
            return "LOWER(a.environment) = ?", (value,)
        case "risk":
            return "LOWER(a.risk_tier) = ?", (value,)
        case "attestation":
            if value == "missing":
                return "a.attestation_state <> 'valid'", ()
            return "a.attestation_state = ?", (value,)
        case _:
            return await _held_by(reader, value, few)


async def _answered_by(reader: Reader, value: str, role: str | None, few: int) -> Condition:
    person = await find_person(reader, value)
    if person is not None:
        ids = [person.id]
    else:
        likes = tuple(like(word) for word in value.split())
        fits = "kind = 'person' AND deleted IS NULL" + r" AND key LIKE ? ESCAPE '\'" * len(likes)
        rows = await reader.all(f"SELECT id FROM sb_resource WHERE {fits} LIMIT ?", *likes, NAMED + 1)
        if len(rows) > NAMED:
            return _any_named("sb_owner", "agent_id", "person_id", fits, likes, role)
        ids = [row["id"] for row in rows]
    if not ids:
        return NOTHING
    where, values = f"person_id IN ({marks(len(ids))})", tuple(ids)
    if role is not None:
        where, values = f"{where} AND role = ?", (*values, role)
    return await _those(reader, "sb_owner", "agent_id", where, values, few)


async def _in_group(reader: Reader, value: str, few: int) -> Condition:
    named = "SELECT id FROM sb_resource WHERE kind = 'group' AND deleted IS NULL AND key"
    rows = await reader.all(f"{named} = ?", value)
    if not rows:
        rows = await reader.all(rf"{named} LIKE ? ESCAPE '\' LIMIT ?", like(value), NAMED + 1)
    if len(rows) > NAMED:
        fits = r"kind = 'group' AND deleted IS NULL AND key LIKE ? ESCAPE '\'"
        return _any_named("sb_member", "member_id", "group_id", fits, (like(value),))
    if not rows:
        return NOTHING
    ids = tuple(row["id"] for row in rows)
    return await _those(reader, "sb_member", "member_id", f"group_id IN ({marks(len(ids))})", ids, few)


def _any_named(
    table: str, column: str, other: str, fits: str, values: tuple[Any, ...], role: str | None = None
) -> Condition:
    """Agents with a row of a table about one of very many people or groups, asked of each agent on the way."""
    only = "" if role is None else " AND x.role = ?"
    sql = (
        f"EXISTS (SELECT 1 FROM {table} x WHERE x.{column} = a.id{only}"
        f" AND EXISTS (SELECT 1 FROM sb_resource WHERE id = x.{other} AND {fits}))"
    )
    return sql, (*(() if role is None else (role,)), *values)


async def _held_by(reader: Reader, value: str, few: int) -> Condition:
    row = await reader.one("SELECT id FROM sb_connection WHERE name = ?", value)
    source = f"connection:{row['id']}" if row is not None else value
    matches = r"(source = ? OR code = ? OR source LIKE ? ESCAPE '\')"
    values = (source, value, like(f"{value}:", start=True))
    return await _those(reader, "sb_hold", "agent_id", f"released IS NULL AND {matches}", values, few)


async def _those(
    reader: Reader, table: str, column: str, where: str, values: tuple[Any, ...], few: int
) -> Condition:
    """Agents with a row of a table: by their ids where they are few, else asked of each agent on the way."""
    counted = await reader.one(
        f"SELECT COUNT(*) AS n FROM (SELECT 1 AS x FROM {table} WHERE {where} LIMIT {few + 1}) few", *values
    )
    if counted is not None and counted["n"] > few:
        return f"EXISTS (SELECT 1 FROM {table} x WHERE x.{column} = a.id AND {where})", values
    return f"a.id IN (SELECT {column} FROM {table} WHERE {where})", values


def _word(word: str) -> Condition:
    pattern = like(fold(word))
    sql = r"a.slug LIKE ? ESCAPE '\' OR r.key LIKE ? ESCAPE '\' OR LOWER(a.workload_id) LIKE ? ESCAPE '\'"
    return sql, (pattern, pattern, pattern)
