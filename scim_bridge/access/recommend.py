"""Which groups an agent does not need, by the log of decisions and the policies in force.

A group was of use when one of its permits determined an allow. A group would do instead when every question the
agent was allowed lately stays allowed by it, and it opens less. What the policies know nothing of is not judged,
nor is a membership younger than the time looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cedarpy
import orjson

from scim_bridge.access.check import actions
from scim_bridge.access.decide import judge
from scim_bridge.access.facts import facts_of
from scim_bridge.access.model import Facts, Question
from scim_bridge.access.policies import Policies
from scim_bridge.access.simulate import question_of
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.rows import among, listed
from scim_bridge.registry.recommendations import DROP, SWAP, Advice

PAGE = 200
# Different questions of one agent that a swap is tried with; an agent that asks more is not advised to swap.
MOST_QUESTIONS = 300


@dataclass(frozen=True, slots=True)
class Membership:
    """A group an agent is in, and since when."""

    id: str
    name: str
    since: int


class _Powers:
    """The (action, resource type) pairs a group alone opens, asked once for agents that are alike."""

    def __init__(self, policies: Policies, now: int) -> None:
        self.policies, self.now = policies, now
        self._known: dict[tuple[object, ...], frozenset[tuple[str, str]]] = {}

    async def of(self, facts: Facts, group: str) -> frozenset[tuple[str, str]]:
        """What is open to this agent in this group alone."""
        alike = (facts.platform, facts.environment, facts.risk_tier, facts.attested(self.now), facts.answered)
        key = (group, *alike)
        if key not in self._known:
            alone = replace(facts, groups=(group,), ends={})
            found: set[tuple[str, str]] = set()
            for action, _ in actions(self.policies.text.schema):
                # Some milliseconds each: others get their turn in between.
                await asyncio.sleep(0)
                for kind in self.policies.types:
                    question = Question("agent", facts.id, action, kind, "any")
                    if judge(self.policies, question, [alone], self.now).allowed:
                        found.add((action, kind))
            self._known[key] = frozenset(found)
        return self._known[key]


def permits_of(policies: Policies) -> dict[str, frozenset[str]]:
    """The @ids of the permits that name each group in their scope (`principal in Group::"…"`)."""
    found: dict[str, set[str]] = {}
    for name, policy in orjson.loads(cedarpy.policies_to_json_str(policies.text.whole))[
        "staticPolicies"
    ].items():
        principal = policy["principal"]
        target = principal.get("entity") or (principal.get("in") or {}).get("entity")
        target = (target or {}).get("__entity", target)
        if policy["effect"] == "permit" and target and target.get("type") == "Group":
            found.setdefault(target["id"], set()).add(policies.ids[name])
    return {group: frozenset(ids) for group, ids in found.items()}


async def review(reader: Reader, policies: Policies, now: int, days: int) -> list[Advice]:
    """Advice about every live agent, by what it was allowed in the last days. Reads only."""
    permits = permits_of(policies)
    since = now - days * DAY
    names = await reader.all("SELECT id, name FROM sb_resource WHERE space = 'group' AND deleted IS NULL")
    groups = {row["name"]: row["id"] for row in names if row["name"] in permits}
    powers = _Powers(policies, now)
    advice: list[Advice] = []
    after = ""
    while ids := [
        row["id"]
        for row in await reader.all(
            "SELECT id FROM sb_resource WHERE kind = 'agent' AND deleted IS NULL AND id > ? ORDER BY id LIMIT ?",
            after,
            PAGE,
        )
    ]:
        after = ids[-1]
        members = await _memberships(reader, ids)
        for facts in await facts_of(reader, ids):
            mine = [one for one in members.get(facts.id, ()) if one.name in permits and one.since <= since]
            if mine:
                advice += await _advised(reader, powers, permits, groups, facts, mine, since, days)
    return advice


async def _memberships(reader: Reader, ids: Sequence[str]) -> Mapping[str, list[Membership]]:
    rows = await reader.all(
        "SELECT m.member_id, m.group_id, g.name, m.since FROM sb_member m JOIN sb_resource g ON g.id = m.group_id"
        f" WHERE m.member_id {among(reader.backend)} AND m.until IS NULL AND g.deleted IS NULL"
        " ORDER BY m.member_id, g.name",
        listed(reader.backend, ids),
    )
    found: dict[str, list[Membership]] = {}
    for row in rows:
        found.setdefault(row["member_id"], []).append(Membership(row["group_id"], row["name"], row["since"]))
    return found


async def _advised(
    reader: Reader,
    powers: _Powers,
    permits: Mapping[str, frozenset[str]],
    groups: Mapping[str, str],
    facts: Facts,
    mine: Sequence[Membership],
    since: int,
    days: int,
) -> list[Advice]:
    rows = await reader.all(
        "SELECT policies, COUNT(*) AS times FROM sb_decision WHERE agent_id = ? AND at >= ? AND allowed = 1"
        " GROUP BY policies",
        facts.id,
        since,
    )
    used = {one for row in rows for one in orjson.loads(row["policies"])}
    allowed = sum(row["times"] for row in rows)
    advice = []
    kept = []
    for one in mine:
        if permits[one.name].isdisjoint(used):
            why = f"Nothing that {one.name} grants was of use in {days} days ({allowed} allowed questions)."
            evidence = {"days": days, "allowed": allowed, "permits": sorted(permits[one.name])}
            advice.append(Advice(facts.id, one.id, DROP, why, evidence))
        else:
            kept.append(one)
    if kept:
        questions = await _questions(reader, facts.id, since)
        if 0 < len(questions) <= MOST_QUESTIONS:
            advice += await _swaps(powers, groups, facts, kept, questions, days)
    return advice


async def _questions(reader: Reader, agent_id: str, since: int) -> list[Question]:
    """The different questions it was allowed; one too many says that there are too many."""
    rows = await reader.all(
        "SELECT DISTINCT subject, subject_type, action, resource_type, resource_id, properties, asked"
        " FROM sb_decision WHERE agent_id = ? AND at >= ? AND allowed = 1 LIMIT ?",
        agent_id,
        since,
        MOST_QUESTIONS + 1,
    )
    return [question_of(row) for row in rows]


async def _swaps(
    asked: _Powers,
    groups: Mapping[str, str],
    facts: Facts,
    kept: Sequence[Membership],
    questions: Sequence[Question],
    days: int,
) -> list[Advice]:
    """For each group in use, the one that opens least among those that would do in its place."""
    policies, now = asked.policies, asked.now
    # A hold says nothing about groups: what is compared is what the groups grant.
    free = replace(facts, holds=(), expires_at=None)
    own = set(facts.granted(now))
    powers = {name: await asked.of(free, name) for name in groups}
    advice = []
    for one in kept:
        rest = tuple(sorted(own - {one.name}))
        smaller = sorted(
            (name for name in groups if name not in own and powers[name] < powers[one.name]),
            key=lambda name: (len(powers[name]), name),
        )
        for name in smaller:
            tried = replace(free, groups=tuple(sorted({*rest, name})))
            if all(judge(policies, question, [tried], now).allowed for question in questions):
                less = len(powers[one.name]) - len(powers[name])
                why = f"{name} would do for all {len(questions)} questions of {days} days, and opens {less} less."
                evidence = {"days": days, "questions": len(questions), "less": less}
                advice.append(Advice(facts.id, one.id, SWAP, why, evidence, groups[name]))
                break
    return advice
