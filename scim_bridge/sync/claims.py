"""Objects two agents could lay claim to: written for one of them, marked as the other's by somebody at the IdP."""

from __future__ import annotations

from collections.abc import Mapping

from scim_bridge.kernel.database import Reader
from scim_bridge.sync.idp.port import Observed
from scim_bridge.sync.pushed import Pushed


def writers(pushed: Mapping[str, Pushed]) -> dict[str, str]:
    """The agent each object was written for, by the object's id; of those that are not retired."""
    return {each.remote_id: each.agent_id for each in pushed.values() if each.remote_id and not each.retired}


def claimed_by(observed: Observed, agent_id: str, slug: str, writer: str) -> str:
    """Why an object that carries this agent's mark is not taken as its own; empty when it may be.

    `writer` is the agent it was written for, empty when there is none.
    """
    if writer in ("", agent_id) or observed.agent_id != agent_id:
        return ""
    return (
        f"{slug}: an object with its mark, {observed.name} ({observed.remote_id}), was written for another"
        f" agent ({writer}): it is left to that one, and no second object is made. Take the mark off there."
    )


async def written_for(reader: Reader, connection_id: str, remote_id: str, agent_id: str) -> str:
    """The id of another agent than this one for which an object was written that is not retired; else empty."""
    row = await reader.one(
        "SELECT agent_id FROM sb_pushed"
        " WHERE connection_id = ? AND remote_id = ? AND agent_id <> ? AND retired IS NULL",
        connection_id,
        remote_id,
        agent_id,
    )
    return "" if row is None else str(row["agent_id"])


async def anothers(
    reader: Reader,
    connection_id: str,
    slug: str,
    agent_id: str,
    observed: Observed | None,
    pushed: Pushed | None,
) -> str:
    """The same for one agent, looked up; only where it is not the object that was written for this one."""
    if observed is None or observed.agent_id != agent_id:
        return ""
    if pushed is not None and pushed.remote_id == observed.remote_id:
        return ""
    writer = await written_for(reader, connection_id, observed.remote_id, agent_id)
    return claimed_by(observed, agent_id, slug, writer)
