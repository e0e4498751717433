"""Who a question is about: an agent, or a person where the gateway's word for the subject means people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from scim_bridge.access.catalogue import EMPTY, Catalogue
from scim_bridge.access.facts import facts_about, facts_of
from scim_bridge.access.model import SUBJECT_TYPE, Facts
from scim_bridge.access.people import people_about, people_of
from scim_bridge.kernel.database import Reader
from scim_bridge.registry.model import AGENT, PERSON
from scim_bridge.settings.access import AccessSettings

# How often an agent (its id) asked in the minute before an instant; None when nothing counts it.
Rate = Callable[[Reader, str, int], Awaitable[int | None]]


@dataclass(frozen=True, slots=True)
class Premises:
    """What an installation says before anybody asks: which subject types are people, what resources are.

    `rate` is there where policies ask for it and a budget counts.
    """

    people: frozenset[str] = frozenset(AccessSettings().person_types)
    resources: Catalogue = EMPTY
    rate: Rate | None = None

    def kind_of(self, subject_type: str) -> str | None:
        """What a subject type is in the registry: AGENT, PERSON, or None for a word that is not known."""
        word = subject_type.casefold()
        if word == SUBJECT_TYPE:
            return AGENT
        return PERSON if word in self.people else None


PREMISES = Premises()


def premises(settings: AccessSettings, resources: Catalogue) -> Premises:
    """The premises of an installation's settings."""
    return Premises(frozenset(kind.casefold() for kind in settings.person_types), resources)


async def subjects_named(reader: Reader, kind: str, name: str) -> list[Facts]:
    """Everybody of a kind whom a name means: none, one, or several."""
    return await (facts_about if kind == AGENT else people_about)(reader, name)


async def with_rates(
    reader: Reader, premises: Premises, rated: bool, found: Sequence[Facts], now: int
) -> Sequence[Facts]:
    """The same with the rate of each agent, when policies ask for it (`rated`); else nothing is read."""
    if not rated or premises.rate is None:
        return found
    return [
        replace(facts, rate=await premises.rate(reader, facts.id, now)) if facts.kind == AGENT else facts
        for facts in found
    ]


async def subjects_of(reader: Reader, kind: str, ids: Sequence[str]) -> list[Facts]:
    """Those of a kind who have these ids, in their order."""
    return await (facts_of if kind == AGENT else people_of)(reader, ids)
