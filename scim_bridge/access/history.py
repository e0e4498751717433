"""Decisions that were kept: pages of them, one whole, and what keeps an agent from acting now.

What is read here is what was said at the time; only `why` looks at how things stand as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.access.facts import facts_about
from scim_bridge.access.model import Facts, Reason, stops
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, Invalid, NotFound
from scim_bridge.registry.throttles import Throttle

MOST = 1000
RECENT = 200
COLUMNS = (
    "d.id, d.at, d.agent_id, d.subject_type, d.subject, d.action, d.resource_type, d.resource_id, d.allowed, d.reasons,"
    " d.policies, d.properties, d.asked, d.retry_after, d.caller_id, d.caller_name, d.request_id, a.slug"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One decision as it was answered. `slug` is the agent's of today; None when none was meant."""

    id: str
    at: int
    agent_id: str | None
    slug: str | None
    subject_type: str
    subject: str
    action: str
    resource_type: str
    resource_id: str
    allowed: bool
    reasons: tuple[Reason, ...]
    policies: tuple[str, ...]
    properties: dict[str, str]
    asked: dict[str, str]
    retry_after: int | None
    caller: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which decisions: of one agent, only noes, after an instant, older than one with this id."""

    agent_id: str | None = None
    denied: bool = False
    since: int | None = None
    before: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Why:
    """Why an agent is denied: what stops or slows it now, and what was said when it last was, by reason."""

    facts: Facts
    stopped: tuple[Reason, ...]
    denials: tuple[Kept, ...]
    slowed: tuple[Throttle, ...] = ()

    @property
    def counted(self) -> list[tuple[Reason, int, Kept]]:
        """(reason, how often, the latest decision) over the recent noes, the most frequent first.

        Of reasons with one id it is the latest's words that are shown.
        """
        counts: Counter[str] = Counter()
        latest: dict[str, tuple[Reason, Kept]] = {}
        for kept in self.denials:
            for reason in kept.reasons:
                counts[reason.id] += 1
                latest.setdefault(reason.id, (reason, kept))
        return [(latest[each][0], count, latest[each][1]) for each, count in counts.most_common()]


async def decisions(reader: Reader, wanted: Wanted) -> list[Kept]:
    """A page of decisions, newest first; the last one's id as `before` gives the next page."""
    if not 1 <= wanted.limit <= MOST:
        raise Invalid("limit", f"The limit must be between 1 and {MOST}.", "Ask for fewer at once.")
    tests: list[str] = []
    values: list[Any] = []
    if wanted.agent_id is not None:
        tests.append("d.agent_id = ?")
        values.append(wanted.agent_id)
    if wanted.since is not None:
        tests.append("d.at >= ?")
        values.append(wanted.since)
    if wanted.before:
        tests.append("(d.at, d.id) < (?, ?)")
        values += [(await decision(reader, wanted.before)).at, wanted.before]
    found: list[Kept] = []
    # Yeses and noes have an index each, so that one no among a million yeses is found at once.
    for allowed in (0,) if wanted.denied else (0, 1):
        rows = await reader.all(
            f"SELECT {COLUMNS} FROM sb_decision d LEFT JOIN sb_agent a ON a.id = d.agent_id"
            f" WHERE {' AND '.join([f'd.allowed = {allowed}', *tests])} ORDER BY d.at DESC, d.id DESC LIMIT ?",
            *values,
            wanted.limit,
        )
        found += map(_kept, rows)
    return sorted(found, key=lambda kept: (kept.at, kept.id), reverse=True)[: wanted.limit]


async def decision(reader: Reader, decision_id: str) -> Kept:
    """One decision by the id its answer carried; NotFound when it is not kept (any more)."""
    rows = await reader.all(
        f"SELECT {COLUMNS} FROM sb_decision d LEFT JOIN sb_agent a ON a.id = d.agent_id WHERE d.id = ?",
        decision_id,
    )
    if not rows:
        raise NotFound(
            "decision-unknown",
            f"No decision {decision_id!r} is kept.",
            "A yes is kept as access.allow_log says, both for as many days as the settings say.",
        )
    return _kept(rows[0])


async def agent_named(reader: Reader, name: str) -> Facts:
    """The one agent a name means; NotFound or Conflict otherwise."""
    found = await facts_about(reader, name)
    if not found:
        raise NotFound("agent-unknown", f"There is no agent {name!r}.", "See `scim-bridge agents list`.")
    if len(found) > 1:
        raise Conflict("agent-ambiguous", f"{name!r} names more than one agent.", "Name it by id.")
    return found[0]


async def why(reader: Reader, name: str, now: int, *, since: int | None = None) -> Why:
    """Why this agent is, or was, denied: the holds of this moment and the recent noes."""
    facts = await agent_named(reader, name)
    denials = await decisions(reader, Wanted(facts.id, denied=True, since=since, limit=RECENT))
    return Why(facts, stops(facts, now), tuple(denials), facts.slowed(now))


def _kept(row: Any) -> Kept:
    return Kept(
        row["id"],
        row["at"],
        row["agent_id"],
        row["slug"],
        row["subject_type"],
        row["subject"],
        row["action"],
        row["resource_type"],
        row["resource_id"],
        bool(row["allowed"]),
        reasons_of(orjson.loads(row["reasons"])),
        tuple(orjson.loads(row["policies"])),
        orjson.loads(row["properties"]),
        orjson.loads(row["asked"]),
        row["retry_after"],
        row["caller_name"],
        row["request_id"],
    )


def reasons_of(told: Sequence[dict[str, str]]) -> tuple[Reason, ...]:
    """Reasons from how they are kept."""
    return tuple(Reason(one["id"], one["text"]) for one in told)
