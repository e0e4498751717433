"""Which memberships an import begins and ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from scim_bridge.inventory.current_inventory import CurrentInventory
from scim_bridge.inventory.import_diff import Membership
from scim_bridge.inventory.manifest import Manifest


def member_diff(
    manifest: Manifest, current: CurrentInventory
) -> tuple[tuple[Membership, ...], tuple[Membership, ...]]:
    """Joins and leaves. An agent leaves only when the file speaks of that membership: it lists the
    agent, and gives the agent's groups or the group's members.
    """
    spelt = {name.casefold(): name for name in current.groups}
    spelt |= {group.name.casefold(): group.name for group in manifest.groups}
    wanted = {(name.casefold(), slug) for name, slug in manifest.memberships()}
    held = {(name.casefold(), slug) for name, slug in current.memberships}
    listed = {agent.slug: "groups" in agent.given for agent in manifest.agents}
    whole = {group.name.casefold() for group in manifest.groups if "members" in group.given}
    placed = {(name.casefold(), slug) for name, slug in current.assigned}
    gone = unwanted(held - placed, wanted, listed, whole)

    def named(pairs: set[tuple[str, str]]) -> tuple[Membership, ...]:
        return tuple(Membership(spelt.get(name, name), slug) for name, slug in sorted(pairs))

    return named(wanted - held), named(gone)


def unwanted(
    held: Iterable[tuple[str, str]],
    wanted: Collection[tuple[str, str]],
    listed: Mapping[str, bool],
    whole: Collection[str],
) -> set[tuple[str, str]]:
    """The (folded group, slug) pairs that end: `listed` agents of which, or of whose group, all is said.

    `listed` says of each agent of the file whether it gives its groups; `whole` are groups with members given.
    """
    return {
        (name, slug)
        for name, slug in held
        if slug in listed and (listed[slug] or name in whole) and (name, slug) not in wanted
    }
