"""What other policies would have answered: to recent questions, or to every combination there is.

Both sides are asked with the agents' facts as they are now and at the instant of each question, so that
what differs differs by the policies alone. Nothing is charged, logged or changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from scim_bridge.access.cedar import cedar_type
from scim_bridge.access.decide import judge
from scim_bridge.access.facts import facts_of
from scim_bridge.access.model import Decision, Facts, Question
from scim_bridge.access.policies import Policies
from scim_bridge.kernel.database import Reader

PAGE = 500
MOST_AGENTS = 2000
RECENT = (
    "SELECT id, at, agent_id, subject, subject_type, action, resource_type, resource_id, properties, asked, allowed"
    " FROM sb_decision WHERE agent_id IS NOT NULL AND (at < ? OR (at = ? AND id < ?)) AND at >= ?"
    " ORDER BY at DESC, id DESC LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One question that gets another answer. `times`: how often it was asked, `last` when; 0 and None: never."""

    agent: str
    action: str
    resource_type: str
    resource_id: str
    before: Decision
    after: Decision
    times: int = 0
    last: int | None = None

    def row(self) -> dict[str, Any]:
        """For people and programs."""
        return {
            "agent": self.agent,
            "action": self.action,
            "resource": f"{self.resource_type}:{self.resource_id}",
            "before": _word(self.before),
            "after": _word(self.after),
            "why": [reason.id for reason in self.after.reasons],
            "was": [reason.id for reason in self.before.reasons],
            "times": self.times,
            "at": self.last,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a comparison found. `asked` counts questions, `gone` those of agents that no longer exist."""

    asked: int
    gone: int
    differences: tuple[Difference, ...]

    def summary(self) -> dict[str, Any]:
        """In numbers, as it is kept with an activation."""
        newly = {
            "denied": sum(d.times or 1 for d in self.differences if not d.after.allowed),
            "allowed": sum(d.times or 1 for d in self.differences if d.after.allowed),
        }
        agents = sorted({each.agent for each in self.differences})
        return {
            "asked": self.asked,
            "gone": self.gone,
            "newly_denied": newly["denied"],
            "newly_allowed": newly["allowed"],
            "agents": agents[:20],
        }


def _word(decision: Decision) -> str:
    return "allow" if decision.allowed else "deny"


async def replay(
    reader: Reader, before: Policies, after: Policies, *, since: int, until: int, limit: int = 20_000
) -> Outcome:
    """Ask both about the newest logged decisions between two instants.

    Allows that the log did not keep cannot be asked again: with a sampled log the counts are those of the sample.
    """
    asked = gone = 0
    found: dict[tuple[Any, ...], Difference] = {}
    at, last = until, ""
    while asked < limit:
        rows = await reader.all(RECENT, at, at, last, since, min(PAGE, limit - asked))
        if not rows:
            break
        at, last = rows[-1]["at"], rows[-1]["id"]
        agents = {f.id: f for f in await facts_of(reader, sorted({row["agent_id"] for row in rows}))}
        for row in rows:
            asked += 1
            if row["agent_id"] not in agents:
                gone += 1
                continue
            _compare(found, before, after, agents[row["agent_id"]], question_of(row), row["at"])
    return Outcome(asked, gone, _sorted(found.values()))


def question_of(row: Any) -> Question:
    """The question of a row of the log."""
    return Question(
        row["subject_type"],
        row["subject"],
        row["action"],
        row["resource_type"],
        row["resource_id"],
        _texts(row["properties"]),
        _texts(row["asked"]),
    )


def _texts(kept: str) -> Mapping[str, str]:
    return {str(key): str(value) for key, value in orjson.loads(kept).items()}


def _compare(
    found: dict[tuple[Any, ...], Difference],
    before: Policies,
    after: Policies,
    facts: Facts,
    question: Question,
    at: int,
) -> None:
    old, new = (judge(each, question, [facts], at) for each in (before, after))
    if old.allowed == new.allowed:
        return
    key = (facts.id, question.action, question.resource_type, question.resource_id, new.allowed, _ids(new))
    known = found.get(key)
    if known is None:
        parts = (facts.slug, question.action, question.resource_type, question.resource_id)
        found[key] = Difference(*parts, old, new, 1, at)
    else:
        found[key] = replace(known, times=known.times + 1, last=max(at, known.last or at))


def _ids(decision: Decision) -> tuple[str, ...]:
    return tuple(reason.id for reason in decision.reasons)


def _sorted(found: Iterable[Difference]) -> tuple[Difference, ...]:
    return tuple(sorted(found, key=lambda d: (d.after.allowed, -d.times, d.agent, d.resource_type, d.action)))


def combinations(
    before: Policies,
    after: Policies,
    agents: Sequence[Facts],
    questions: Sequence[tuple[str, str, str]],
    now: int,
) -> Outcome:
    """Ask both about every agent with every (action, resource type, resource id)."""
    found = []
    asked = 0
    for facts in agents:
        for action, kind, identity in questions:
            asked += 1
            question = Question("agent", facts.id, action, kind, identity)
            old, new = (judge(each, question, [facts], now) for each in (before, after))
            if old.allowed != new.allowed:
                found.append(Difference(facts.slug, action, kind, identity, old, new))
    return Outcome(asked, 0, _sorted(found))


async def every_agent(reader: Reader, *, limit: int = MOST_AGENTS) -> list[Facts]:
    """The first live agents in the order of their ids."""
    found: list[Facts] = []
    after = ""
    while len(found) < limit:
        rows = await reader.all(
            "SELECT id FROM sb_resource WHERE kind = 'agent' AND deleted IS NULL AND id > ? ORDER BY id LIMIT ?",
            after,
            min(PAGE, limit - len(found)),
        )
        if not rows:
            break
        after = rows[-1]["id"]
        found += await facts_of(reader, [row["id"] for row in rows])
    return found


async def known_resources(reader: Reader, kinds: Iterable[str], *, each: int = 5) -> list[tuple[str, str]]:
    """(type, id) of resources somebody asked about; for a type nobody asked about, one that stands for it."""
    rows = await reader.all(
        "SELECT DISTINCT resource_type, resource_id FROM sb_decision ORDER BY resource_type, resource_id"
        " LIMIT 1000"
    )
    seen: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        seen.setdefault(cedar_type(row["resource_type"]), []).append(
            (row["resource_type"], row["resource_id"])
        )
    return [pair for kind in sorted(kinds) for pair in seen.get(kind, [(kind, "any")])[:each]]
