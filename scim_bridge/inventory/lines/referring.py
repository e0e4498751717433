"""References of entries to people: what each entry names, and the entry with every name as its userName."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from scim_bridge.inventory.lines.ledger import Referred
from scim_bridge.inventory.lines.quick import Entry
from scim_bridge.inventory.manifest import AgentEntry, GroupEntry, MemberEntry, PersonEntry
from scim_bridge.registry.model import fold

E = TypeVar("E", PersonEntry, GroupEntry, AgentEntry)


def named(entry: Entry) -> tuple[str, ...]:
    """The people an entry names, as it spells them."""
    if isinstance(entry, AgentEntry):
        return (entry.owner, *entry.co_owners, *entry.sponsors)
    if isinstance(entry, PersonEntry):
        return (entry.manager,) if entry.manager else ()
    if isinstance(entry, MemberEntry):
        return ()
    return (entry.owner,) if entry.owner else ()


def keys_of(entries: Iterable[Entry]) -> set[str]:
    """The same of many, folded, without the empty name."""
    return {fold(name) for entry in entries for name in named(entry) if name}


def resolved(entry: E, names: Mapping[str, Referred]) -> E:
    """The entry with each person under the userName; KeyError when one leads nowhere."""

    def one(name: str) -> str:
        return names[fold(name)].name if name else name

    if isinstance(entry, AgentEntry):
        owner = one(entry.owner)
        co_owners = tuple(map(one, entry.co_owners))
        sponsors = tuple(map(one, entry.sponsors))
        if (owner, co_owners, sponsors) == (entry.owner, entry.co_owners, entry.sponsors):
            return entry
        return replace(entry, owner=owner, co_owners=co_owners, sponsors=sponsors)
    if isinstance(entry, PersonEntry):
        return replace(entry, manager=one(entry.manager)) if entry.manager else entry
    # Members have lines, and a stage, of their own.
    return replace(entry, owner=one(entry.owner), members=())


def twice(entry: Entry, names: Mapping[str, Referred]) -> bool:
    """True when one person is owner and co-owner, or co-owner twice, by whatever names."""
    if not isinstance(entry, AgentEntry) or not entry.co_owners:
        return False
    people = [fold(_known(name, names)) for name in (entry.owner, *entry.co_owners)]
    return len(set(people)) != len(people)


def _known(name: str, names: Mapping[str, Referred]) -> str:
    found = names.get(fold(name))
    return name if found is None else found.name


def lost(entries: Iterable[Entry], names: Mapping[str, Referred]) -> Iterator[Entry]:
    """Entries that name somebody who is not known, or one person twice."""
    for entry in entries:
        if any(name and fold(name) not in names for name in named(entry)) or twice(entry, names):
            yield entry
