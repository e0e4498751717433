"""The words of succession policies: what a rule may ask for and what it may say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scim_bridge.departures.model import HELD, LEAVES, RUNNING
from scim_bridge.departures.succession import (
    HOLD,
    IGNORE,
    NEXT,
    NOTIFY,
    POLICIES,
    ROLES,
    SUCCESSION,
    Policies,
    Succession,
    Upkeep,
    When,
)
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.reading import Table

RISK_TIERS = ("low", "medium", "high", "unknown")
ENVIRONMENTS = ("dev", "staging", "production", "unknown")


def read_policies(file: Table) -> Policies:
    """Grace, escalation, the default and the rules of a file, its problems noted."""
    grace = file.duration("grace", POLICIES.grace)
    escalate = file.duration("escalate", POLICIES.escalate)
    moved = file.word("moved", POLICIES.moved, (NOTIFY, IGNORE))
    agents = _upkeep(file.table("agents"))
    drill = file.duration("drill", POLICIES.drill)
    table = file.table("default")
    default = SUCCESSION if table is None else _succession(table, SUCCESSION)
    rules: list[tuple[When, Succession]] = []
    for entry in file.items("rules"):
        named = replace(default, name=entry.word("name", ""))
        if not named.name:
            file.problems.add(entry.node, "A rule has no name.", "Write name: and a word it is known by.")
        elif named.name in {succession.name for _, succession in rules} | {"default"}:
            file.problems.add(entry.node, f"The name {named.name!r} is taken.", "Give each rule its own.")
        when = _when(entry.table("when"))
        rules.append((when, _succession(entry, named)))
        _reached(file, entry, rules)
    return Policies(tuple(rules), default, grace, escalate, moved, agents, drill)


def _upkeep(table: Table | None) -> Upkeep:
    default = POLICIES.agents
    if table is None:
        return default
    made = Upkeep(
        table.word("expired", HOLD if default.expired else IGNORE, (HOLD, IGNORE)) == HOLD,
        table.duration("unused", default.unused),
        table.word("ownerless", HOLD if default.ownerless else IGNORE, (HOLD, IGNORE)) == HOLD,
    )
    if 0 < made.unused < DAY:
        table.problems.add(table.node, "agents.unused is less than a day.", "Write days: 90d; 0 for never.")
    table.rest()
    return made


def _reached(file: Table, entry: Table, rules: Sequence[tuple[When, Succession]]) -> None:
    """A rule behind one that fits everything would never be asked."""
    for when, succession in rules[:-1]:
        if when in (When(), rules[-1][0]):
            file.problems.add(
                entry.node,
                f"The rule {rules[-1][1].name!r} is never reached: {succession.name!r} comes first.",
                "Put it before, or narrow the other with when:.",
            )
            return


def _when(table: Table | None) -> When:
    if table is None:
        return When()
    made = When(
        table.words("environment", (), ENVIRONMENTS),
        table.words("risk", (), RISK_TIERS),
        table.words("platform", ()),
        table.words("connection", ()),
        table.words("leave", (), LEAVES),
        table.words("door", ()),
    )
    table.rest()
    return made


def _succession(table: Table, default: Succession) -> Succession:
    accept = table.duration("accept", default.accept or 0)
    made = Succession(
        default.name,
        _people(table, "inherit", default.inherit),
        _people(table, "propose", default.propose),
        table.truth("stop", default.stop),
        accept or None,
        table.word("meanwhile", default.meanwhile, (RUNNING, HELD)),
        table.word("otherwise", default.otherwise, (NEXT, HOLD)),
        table.truth("revoke", default.revoke),
    )
    table.rest()
    return made


def _people(table: Table, key: str, default: Sequence[str]) -> tuple[str, ...]:
    """Roles, or people by their userName, which has an @."""
    found = table.words(key, default)
    for word in found:
        if word not in ROLES and "@" not in word:
            table.problems.add(
                table.node,
                f"{key}: {word!r} is neither a role nor a userName.",
                f"Use {', '.join(ROLES)}, or a person's userName with an @.",
            )
    if len(set(found)) < len(found):
        table.problems.add(table.node, f"{key} names somebody twice.", "Keep one.")
    return found
