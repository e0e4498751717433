"""What is registered of all that a manifest speaks of, read back in the manifest's own values."""

from __future__ import annotations

from collections.abc import Sequence

from scim_bridge.inventory.current_agents import absent_agents, current_agents, current_memberships
from scim_bridge.inventory.current_groups import current_groups
from scim_bridge.inventory.current_inventory import CurrentInventory, Registered
from scim_bridge.inventory.current_people import current_people, references, user_names
from scim_bridge.inventory.manifest import AgentEntry, Manifest
from scim_bridge.kernel.database import Reader


async def registered(reader: Reader, manifest: Manifest) -> Registered:
    """Read what the registry knows of the people, groups and agents a manifest names.

    When the manifest has a list of agents, those an earlier one named are there too, by slug alone.
    """
    found = Registered()
    slugs = {agent.slug for agent in manifest.agents} | {s for g in manifest.groups for s in g.members}
    agents = await current_agents(reader, slugs, found)
    absent = await absent_agents(reader, slugs) if "agents" in manifest.sections else {}
    people, aliases = await current_people(reader, manifest, found)
    groups = await current_groups(reader, manifest, found)
    memberships, assigned = await current_memberships(reader, found)
    found.inventory = CurrentInventory(people, groups, {**agents, **absent}, memberships, assigned, aliases)
    return found


async def registered_agents(reader: Reader, agents: Sequence[AgentEntry]) -> Registered:
    """The same for agents alone, whose people are named by userName: of those only the ids are read."""
    found = Registered()
    known = await current_agents(reader, {agent.slug for agent in agents}, found)
    spelt = await user_names(reader, references(Manifest(agents=tuple(agents))), found)
    memberships, assigned = await current_memberships(reader, found)
    found.inventory = CurrentInventory({}, {}, known, memberships, assigned, spelt)
    return found
