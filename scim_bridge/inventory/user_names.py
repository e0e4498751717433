"""References to people in a manifest, turned into userNames as they are spelt."""

from __future__ import annotations

from dataclasses import replace

from scim_bridge.inventory.current_inventory import CurrentInventory
from scim_bridge.inventory.manifest import AgentEntry, GroupEntry, Manifest, PersonEntry


class UserNames:
    """Turns references to people, by userName or e-mail, into the userName as it is spelt."""

    def __init__(self, manifest: Manifest, current: CurrentInventory) -> None:
        # What the file says of its own people comes last, so it wins.
        people = [*current.people.values(), *manifest.people]
        self._spelt = dict(current.aliases)
        self._spelt |= {person.email.casefold(): person.user_name for person in people if person.email}
        self._spelt |= {person.user_name.casefold(): person.user_name for person in people}

    def one(self, reference: str) -> str:
        return self._spelt.get(reference.casefold(), reference)

    def person(self, entry: PersonEntry) -> PersonEntry:
        manager = self.one(entry.manager)
        return entry if manager == entry.manager else replace(entry, manager=manager)

    def group(self, entry: GroupEntry) -> GroupEntry:
        owner = self.one(entry.owner)
        return entry if owner == entry.owner else replace(entry, owner=owner)

    def agent(self, entry: AgentEntry) -> AgentEntry:
        owner = self.one(entry.owner)
        co_owners = tuple(self.one(name) for name in entry.co_owners)
        sponsors = tuple(self.one(name) for name in entry.sponsors)
        if (owner, co_owners, sponsors) == (entry.owner, entry.co_owners, entry.sponsors):
            # The usual case, and copying twenty fields is most of what comparing an agent costs.
            return entry
        return replace(entry, owner=owner, co_owners=co_owners, sponsors=sponsors)
