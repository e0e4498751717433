"""Which agents a connection sees and may touch: simple conditions on their facts, in Python and in SQL.

Written as `environment=production; riskTier=low; group=Payments`: every name must hold, one name given
several times is any of its values. People and groups are not limited; members that are agents are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.model import fold

COLUMNS = {"environment": "environment", "platform": "platform", "riskTier": "risk_tier"}
GROUP = "group"
NAMES = (*COLUMNS, GROUP)
LONGEST = 2000
MOST = 50


@dataclass(frozen=True, slots=True)
class Scope:
    """What must hold of an agent: values by name, any of one name, all of the names. Empty: every agent.

    Facts compare exactly; groups by displayName in any case, as everywhere (direct membership).
    """

    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.allowed)

    def admits(self, environment: str, platform: str, risk_tier: str, groups: Sequence[str]) -> bool:
        """True when an agent with these facts, a member of these groups (displayNames), is inside."""
        facts = {"environment": environment, "platform": platform, "riskTier": risk_tier}
        for name, values in self.allowed.items():
            if name == GROUP:
                if not values & {fold(group) for group in groups}:
                    return False
            elif facts[name] not in values:
                return False
        return True

    def sql(self, row: str, id_column: str = "id") -> tuple[str, list[str]]:
        """The same as a condition on a row (its alias) with a `kind` and an id, and its values.

        Rows of sb_resource, or of sb_member with "member_id". True for what is no agent. An empty scope is
        an empty text: no condition at all.
        """
        if not self.allowed:
            return "", []
        # Aliases nobody else uses: the row may be called anything.
        terms, values = [f"in_a.id = {row}.{id_column}"], []
        for name, column in COLUMNS.items():
            wanted = sorted(self.allowed.get(name, ()))
            if wanted:
                terms.append(f"in_a.{column} IN ({marks(len(wanted))})")
                values += wanted
        groups = sorted(self.allowed.get(GROUP, ()))
        if groups:
            terms.append(
                "EXISTS (SELECT 1 FROM sb_member in_m JOIN sb_resource in_g ON in_g.id = in_m.group_id"
                f" WHERE in_m.member_id = {row}.{id_column} AND in_g.space = 'group'"
                f" AND in_g.deleted IS NULL AND in_g.key IN ({marks(len(groups))}))"
            )
            values += groups
        inside = f"EXISTS (SELECT 1 FROM sb_agent in_a WHERE {' AND '.join(terms)})"
        return f"({row}.kind <> 'agent' OR {inside})", values

    def also(self, row: str, id_column: str = "id") -> tuple[str, list[str]]:
        """`sql` to be put behind other conditions: it begins with AND, or is empty."""
        condition, values = self.sql(row, id_column)
        return (f" AND {condition}" if condition else ""), values

    def __str__(self) -> str:
        """The scope as people write it, in one order."""
        return "; ".join(f"{name}={value}" for name in NAMES for value in sorted(self.allowed.get(name, ())))


EVERYTHING = Scope()


def parse_scope(text: str) -> Scope:
    """Read the text of a connection's `scope` setting; Invalid says which part is wrong."""
    if len(text) > LONGEST:
        raise Invalid("scope", f"The scope is longer than {LONGEST} characters.", "Say it with a group.")
    allowed: dict[str, set[str]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value or not value.isprintable():
            raise Invalid("scope", f"{part!r} is not name=value.", "Write environment=production; group=…")
        if name not in NAMES:
            raise Invalid(
                "scope", f"{name!r} is nothing a scope can ask for.", f"Use one of {', '.join(NAMES)}."
            )
        allowed.setdefault(name, set()).add(fold(value) if name == GROUP else value)
    if text.strip() and not allowed:
        # Read as "everything", a slip of the pen would open what was to be closed.
        raise Invalid("scope", f"{text!r} names nothing.", "Write environment=production, or leave it out.")
    if sum(map(len, allowed.values())) > MOST:
        raise Invalid("scope", f"The scope has more than {MOST} values.", "Say it with a group.")
    return Scope({name: frozenset(values) for name, values in allowed.items()})
