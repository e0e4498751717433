"""Rules between a file and the state of its people: an import hands nothing to a leaver and makes no leavers."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from scim_bridge.inventory.import_diff import Create, ImportDiff, Update
from scim_bridge.inventory.manifest import AgentEntry, Manifest
from scim_bridge.inventory.problems import Problem, shown
from scim_bridge.registry.model import fold


def departed(manifest: Manifest, found: ImportDiff, left: Collection[str]) -> Iterator[Problem]:
    """Agents the file gives to somebody who left: an old file must not undo a hand-over.

    `left` are folded userNames of those the registry knows to have left.
    """
    gone = {*left, *(fold(p.user_name) for p in manifest.people if not p.active)}
    if not gone:
        return
    numbers = {agent.slug: number for number, agent in enumerate(manifest.agents)}
    changed = {
        update.key: {change.field for change in update.changes}
        for update in found.updates
        if update.kind == "agent"
    }
    changes: list[Create | Update] = [*found.creates, *found.updates]
    for change in changes:
        entry = change.entry
        if not isinstance(entry, AgentEntry):
            continue
        fields = changed[change.key] if isinstance(change, Update) else {"owner", "coOwners", "sponsors"}
        for field, names in (
            ("owner", (entry.owner,)),
            ("coOwners", entry.co_owners),
            ("sponsors", entry.sponsors),
        ):
            for index, name in enumerate(names):
                if field not in fields or fold(name) not in gone:
                    continue
                where = f"agents[{numbers[change.key]}].{field}"
                where = where if field == "owner" else f"{where}[{index}]"
                line, column = manifest.position(where)
                message = f"{shown(name)} has left, and cannot answer for an agent."
                yield Problem(line, column, where, message, "Name somebody who is here.")


def employment(manifest: Manifest, found: ImportDiff) -> Iterator[Problem]:
    """People whose state the file would change: that is a departure, and departures have their own way."""
    numbers = {fold(person.user_name): number for number, person in enumerate(manifest.people)}
    for update in found.updates:
        if update.kind == "person" and any(change.field == "active" for change in update.changes):
            where = f"people[{numbers[fold(update.key)]}].active"
            line, column = manifest.position(where)
            message = "A manifest does not make people leave or return; the IdP or HR says so."
            yield Problem(line, column, where, message, "Remove 'active', or send the signal.")
