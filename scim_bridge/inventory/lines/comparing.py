"""A portion of entries beside the registry: what it would change, and what forbids it.

Used twice: while the file is checked, and in the transaction that applies the portion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scim_bridge.inventory.current import registered, registered_agents
from scim_bridge.inventory.current_inventory import Registered
from scim_bridge.inventory.diff import diff
from scim_bridge.inventory.import_diff import ImportDiff, Membership
from scim_bridge.inventory.leavers import departed, employment
from scim_bridge.inventory.lines.ledger import Ledger, Referred
from scim_bridge.inventory.lines.referring import resolved
from scim_bridge.inventory.manifest import AgentEntry, GroupEntry, Manifest, PersonEntry
from scim_bridge.inventory.member_diff import unwanted
from scim_bridge.inventory.problems import Problem
from scim_bridge.kernel.database import Reader
from scim_bridge.registry.model import fold

Names = dict[str, Referred]


@dataclass(frozen=True, slots=True)
class Compared:
    """The difference of a portion, what is registered of it, and problems with places in the portion."""

    found: ImportDiff
    known: Registered
    problems: tuple[Problem, ...]


async def compared(
    reader: Reader,
    ledger: Ledger,
    kind: str,
    entries: Sequence[PersonEntry | GroupEntry | AgentEntry],
    names: Names,
) -> Compared:
    """Entries of one kind, every reference of which leads to somebody."""
    if kind == "agent":
        return await _agents(
            reader, ledger, [resolved(e, names) for e in entries if isinstance(e, AgentEntry)], names
        )
    people = tuple(resolved(entry, names) for entry in entries if isinstance(entry, PersonEntry))
    groups = tuple(resolved(entry, names) for entry in entries if isinstance(entry, GroupEntry))
    manifest = Manifest(people, groups, sections=frozenset())
    known = await registered(reader, manifest)
    found = diff(manifest, known.inventory)
    return Compared(replace(found, joins=(), leaves=()), known, tuple(employment(manifest, found)))


async def _agents(reader: Reader, ledger: Ledger, entries: list[AgentEntry], names: Names) -> Compared:
    manifest = Manifest(agents=tuple(entries), sections=frozenset())
    known = await registered_agents(reader, entries)
    inventory = replace(known.inventory, memberships=frozenset(), assigned=frozenset())
    found = diff(manifest, inventory)
    found = replace(found, joins=(), leaves=_leaves(ledger, entries, known))
    left = known.left | {fold(who.name) for who in names.values() if who.left}
    return Compared(found, known, tuple(departed(manifest, found, left)))


def _leaves(ledger: Ledger, entries: list[AgentEntry], known: Registered) -> tuple[Membership, ...]:
    """Memberships of these agents that the file, wherever it speaks of them, no longer has."""
    held = {(fold(name), slug): name for name, slug in known.inventory.memberships - known.inventory.assigned}
    if not held:
        return ()
    listed = {agent.slug: "groups" in agent.given for agent in entries}
    wanted = ledger.memberships(listed)
    gone = unwanted(held, wanted, listed, ledger.whole({group for group, _ in held}))
    return tuple(Membership(held[pair], pair[1]) for pair in sorted(gone))
