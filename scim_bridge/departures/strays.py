"""Agents that came to somebody who had left already: given by an old file, or back from being deleted."""

from __future__ import annotations

from scim_bridge.departures.model import ABSENCE, Case, State
from scim_bridge.kernel.database import Reader
from scim_bridge.registry.signal import AWAY, LEFT, Signal

AT_ONCE = 50


async def owners_gone(reader: Reader, limit: int = AT_ONCE) -> list[str]:
    """The ids of people who are gone by some door's word and still own agents that may act."""
    rows = await reader.all(
        "SELECT DISTINCT d.person_id FROM sb_departure d JOIN sb_owner o ON o.person_id = d.person_id"
        " JOIN sb_resource r ON r.id = o.agent_id"
        " WHERE d.drill IS NULL AND d.state IN (?, ?, ?) AND d.gone_by <> '[]' AND o.role = 'owner'"
        " AND r.deleted IS NULL AND r.active = 1 ORDER BY d.person_id LIMIT ?",
        State.OPEN.value,
        State.STUCK.value,
        State.CLOSED.value,
        limit,
    )
    return [row["person_id"] for row in rows]


def seen(case: Case, now: int) -> Signal:
    """What is known of a leaver, once more, for the agents that came since.

    In the name of the door that told of the leave: what it says later counts for these agents, too.
    """
    return Signal(
        case.gone_by[0],
        f"{case.id}:{now}",
        AWAY if case.kind == ABSENCE else LEFT,
        case.person_id,
        case.signal_at,
        case.effective_at,
        "owns an agent that may act, and had left before it came",
        case.immediate,
    )
