"""Which agents a connection is told of: its scope counts for what is pushed as for what it sees over SCIM.

Outside means: never made there, and no fact is written. Who was written there before is still stopped and
started, because an account that nobody can stop any more is worse than one that is out of date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.agent_facts import AgentFacts
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.memberships import direct_groups
from scim_bridge.registry.scope import GROUP, parse_scope
from scim_bridge.sync.idp.port import ENABLED, DesiredAgent, Wanted

OUTSIDE = "outside the scope of this connection"
DISABLE = "disable"


async def outside(reader: Reader, connection: Connection, facts: Mapping[str, AgentFacts]) -> frozenset[str]:
    """Those of these agents that are outside the connection's scope."""
    scope = parse_scope(str(connection.settings.get("scope") or ""))
    if not scope:
        return frozenset()
    groups = await direct_groups(reader, list(facts)) if GROUP in scope.allowed else {}
    return frozenset(
        agent
        for agent, one in facts.items()
        if not scope.admits(
            one.environment, one.platform, one.risk_tier, [group.name for group in groups.get(agent, ())]
        )
    )


async def scoped(
    reader: Reader, connection: Connection, facts: Mapping[str, AgentFacts], agents: list[DesiredAgent]
) -> list[DesiredAgent]:
    """The agents the connection is told of; who left its scope after it was written is marked `outside`.

    With the setting `scope_exit=disable` it is switched off there as well.
    """
    out = await outside(reader, connection, facts)
    if not out:
        return agents
    rows = await reader.all(
        f"SELECT agent_id FROM sb_pushed WHERE connection_id = ? AND agent_id IN ({marks(len(out))})",
        connection.id,
        *sorted(out),
    )
    written = {row["agent_id"] for row in rows}
    off = connection.settings.get("scope_exit") == DISABLE
    return [
        _left(agent, off=off) if agent.agent_id in out else agent
        for agent in agents
        if agent.agent_id not in out or agent.agent_id in written
    ]


def _left(agent: DesiredAgent, *, off: bool) -> DesiredAgent:
    if not off:
        return replace(agent, outside=True)
    return replace(agent, outside=True, enabled=False, holds=(*agent.holds, OUTSIDE))


def only_stops(agent: DesiredAgent, wanted: Wanted) -> Wanted:
    """What is wanted of an agent outside the scope: that it may act there only while it may here."""
    if not agent.outside or agent.deleted:
        return wanted
    note = f"{agent.slug} left the connection's scope: its facts there are left as they are, a stop still arrives."
    return Wanted({ENABLED: wanted.attributes.get(ENABLED)}, wanted.match, (note,))
