"""Which of the bridge's newer words a schema declares: an older schema of somebody's own goes on working."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.access.source import Statement, statements

CONTEXT = frozenset({"date", "weekday", "hour", "minuteOfDay", "holiday", "businessHours", "rate"})
AGENT_WORDS = frozenset({"attestationDays", "idleDays"})
PERSON_WORDS = frozenset({"state"})


@dataclass(frozen=True, slots=True)
class Words:
    """Attributes of the context, of agents and of people; `ends`: agents are tagged with when groups end."""

    context: frozenset[str] = CONTEXT
    agent: frozenset[str] = AGENT_WORDS
    person: frozenset[str] = PERSON_WORDS
    ends: bool = True


EVERY_WORD = Words()


def words_of(schema: str) -> Words:
    """The words a schema text declares. Contexts count together: one that lacks what another has is refused."""
    context: set[str] = set()
    agent: set[str] = set()
    person: set[str] = set()
    ends = False
    for statement in statements(schema):
        kind, name = (token.text for token in (*statement.tokens[:2], *statement.tokens[:1])[:2])
        declared = _declared(statement)
        if kind in ("type", "action"):
            context |= declared
        elif kind == "entity" and name == "Agent":
            agent |= declared
            ends = any(token.text == "tags" for token in statement.tokens)
        elif kind == "entity" and name == "Person":
            person |= declared
    return Words(
        frozenset(context & CONTEXT), frozenset(agent & AGENT_WORDS), frozenset(person & PERSON_WORDS), ends
    )


def _declared(statement: Statement) -> set[str]:
    """The names before a colon or `?:`."""
    found = set()
    for token, after in zip(statement.tokens, statement.tokens[1:], strict=False):
        if after.text in (":", "?") and token.text.strip('"').isidentifier():
            found.add(token.text.strip('"'))
    return found
