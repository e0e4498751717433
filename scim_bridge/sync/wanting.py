"""What agents should look like at one connection: the adapter's own words, its mapping and its scope over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from scim_bridge.kernel.database import Reader
from scim_bridge.sync.idp.port import DesiredAgent, Idp, Wanted
from scim_bridge.sync.mapping import Row, Rule, mapped, rule_of
from scim_bridge.sync.mapping_store import mapping_rows
from scim_bridge.sync.pushed import Pushed
from scim_bridge.sync.sameness import absent
from scim_bridge.sync.scoping import only_stops

Rules = tuple[Rule, ...]


async def rules_of(reader: Reader, connection_id: str) -> Rules:
    """The rules of a connection's mapping; none where the adapter's own writing stands."""
    return _read(tuple(await mapping_rows(reader, connection_id)))


@lru_cache(maxsize=64)
def _read(rows: tuple[Row, ...]) -> Rules:
    return tuple(rule_of(row) for row in rows)


async def wanted_there(
    idp: Idp, rules: Rules, agents: Sequence[DesiredAgent], pushed: Mapping[str, Pushed]
) -> dict[str, Wanted]:
    """What these agents should look like, by agent id; IdpError as the adapter raises it. Reads only.

    `pushed` is what was written for them before, by agent id.
    """
    found = await idp.wanted(agents)
    if rules:
        targets = await idp.targets()
        found = {agent.agent_id: mapped(rules, agent, found[agent.agent_id], targets) for agent in agents}
    found = await _withdrawn(idp, rules, agents, found, pushed)
    return {agent.agent_id: only_stops(agent, found[agent.agent_id]) for agent in agents}


async def _withdrawn(
    idp: Idp,
    rules: Rules,
    agents: Sequence[DesiredAgent],
    found: dict[str, Wanted],
    pushed: Mapping[str, Pushed],
) -> dict[str, Wanted]:
    """The same with what rows wrote that are gone: no adapter writes it by itself, and nobody else would clear it."""
    ruled = {rule.row.target for rule in rules}
    left: dict[str, set[str]] = {}
    for agent in agents:
        known = pushed.get(agent.agent_id)
        if known is None or agent.deleted or agent.outside:
            continue
        names = {name for name, value in known.attributes.items() if not absent(value)}
        if names := names - found[agent.agent_id].attributes.keys() - ruled:
            left[agent.agent_id] = names
    if not left:
        return found
    targets = await idp.targets()
    mapped_only = {name for name, target in targets.items() if not target.default and not target.fixed}
    more = {agent_id: names & mapped_only for agent_id, names in left.items()}
    return found | {
        agent_id: replace(found[agent_id], withdrawn=tuple(sorted(names)))
        for agent_id, names in more.items()
        if names
    }
