"""What agents should look like at one connection: the adapter's own words, its mapping and its scope over them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from scim_bridge.kernel.database import Reader
from scim_bridge.sync.idp.port import DesiredAgent, Idp, Wanted
from scim_bridge.sync.mapping import Row, Rule, mapped, rule_of
from scim_bridge.sync.mapping_store import mapping_rows
from scim_bridge.sync.scoping import only_stops

Rules = tuple[Rule, ...]


async def rules_of(reader: Reader, connection_id: str) -> Rules:
    """The rules of a connection's mapping; none where the adapter's own writing stands."""
    return _read(tuple(await mapping_rows(reader, connection_id)))


@lru_cache(maxsize=64)
def _read(rows: tuple[Row, ...]) -> Rules:
    return tuple(rule_of(row) for row in rows)


async def wanted_there(idp: Idp, rules: Rules, agents: Sequence[DesiredAgent]) -> dict[str, Wanted]:
    """What these agents should look like, by agent id; IdpError as the adapter raises it. Reads only."""
    found = await idp.wanted(agents)
    if rules:
        targets = await idp.targets()
        found = {agent.agent_id: mapped(rules, agent, found[agent.agent_id], targets) for agent in agents}
    return {agent.agent_id: only_stops(agent, found[agent.agent_id]) for agent in agents}
