"""Objects of our kind at an IdP that are nobody's here: found in a reading, decided on by a person. Pure.

Nothing is merged by an address or a display name: an object is an agent's where we wrote it, where it carries the
agent's mark, where it bears exactly the agent's own login, or where a person said so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scim_bridge.registry.drift_rules import DISPLAY_NAME, FACTS
from scim_bridge.sync.idp.port import Observed
from scim_bridge.sync.sameness import absent

# How a stranger stands: nobody decided; left alone for good; an agent here; to be switched off there; off; gone.
OPEN = "open"
IGNORED = "ignored"
ADOPTED = "adopted"
RETIRING = "retiring"
RETIRED = "retired"
GONE = "gone"

# In the place of the digest of what the registry says of an agent: such a change is of no agent.
NOBODYS = "nobody's"

# Our names for what only adopting reads.
USER_NAME = "userName"
EMAIL = "email"

UNMARKED = "no mark"
UNKNOWN = "mark of an agent unknown here"
COPY = "second object of an agent"


@dataclass(frozen=True, slots=True)
class Stranger:
    """One object of our kind that is nobody's, as a reading showed it; `known`: its mark is of an agent here."""

    observed: Observed
    known: bool = False

    @property
    def what(self) -> str:
        """What kind of stranger it is, in words."""
        return what(self.observed.agent_id, self.known)


def what(mark: str, known: bool) -> str:
    """What kind of stranger an object with this mark is."""
    if not mark:
        return UNMARKED
    return COPY if known else UNKNOWN


def strangers(
    seen: Iterable[Observed], claimed: Collection[str], agents: Collection[str]
) -> tuple[Stranger, ...]:
    """What of the objects seen is no agent's; `claimed` are the ids of those that are, `agents` ids known here."""
    return tuple(
        Stranger(each, each.agent_id in agents)
        for each in sorted(seen, key=lambda one: (one.name, one.remote_id))
        if each.remote_id not in claimed
    )


def facts_there(attributes: Mapping[str, Any], meaning: Mapping[str, str]) -> dict[str, str]:
    """What an object says of itself in our words: names, address and facts, as far as they are texts."""
    found: dict[str, str] = {}
    for attribute, name in meaning.items():
        value = attributes.get(attribute)
        if name in (USER_NAME, EMAIL, DISPLAY_NAME, *FACTS) and isinstance(value, str) and not absent(value):
            found.setdefault(name, value)
    return found
