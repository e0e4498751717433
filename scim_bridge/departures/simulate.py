"""What would happen if somebody left: the real rules on the real registry, and nothing changed."""

from __future__ import annotations

from typing import Any

from scim_bridge.departures.facts import concerned, leaver_of, outcomes_for
from scim_bridge.departures.model import HELD, VOLUNTARY, Fate, Outcome
from scim_bridge.departures.rules import RULES, Rules
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound
from scim_bridge.registry.credentials import credentials_of
from scim_bridge.registry.people_refs import find_person


async def simulated(
    reader: Reader,
    name: str,
    now: int,
    rules: Rules = RULES,
    *,
    leave: str = VOLUNTARY,
    door: str = "",
) -> list[dict[str, Any]]:
    """What would become of each agent if this person left now, which rule says so and why it fits.

    NotFound for nobody. `leave` and `door` are what rules ask of a leave.
    """
    person = await find_person(reader, name)
    if person is None:
        raise NotFound("person-unknown", f"No person is known as {name!r}.", "Give a userName or e-mail.")
    leaver = await leaver_of(reader, person, now, leave=leave, door=door)
    agents = await concerned(reader, person.id)
    rows = []
    for outcome in await outcomes_for(reader, leaver, agents, policies=rules.policies):
        live = [c for c in await credentials_of(reader, outcome.agent.agent_id) if c["state"] == "active"]
        rows.append(_row(outcome, len(live), now))
    return rows


def _row(outcome: Outcome, credentials: int, now: int) -> dict[str, Any]:
    held = outcome.fate is Fate.HELD
    waits = outcome.accept_within is not None
    return {
        "agent": outcome.agent.slug,
        "role": outcome.role,
        "outcome": outcome.fate.value,
        "successor": outcome.successor.user_name if outcome.successor is not None else None,
        "next_in_line": outcome.proposed.user_name if outcome.proposed is not None else None,
        "revoked": credentials if held and outcome.revoke else 0,
        "may_act": not held and not (waits and outcome.meanwhile == HELD),
        "accept_by": iso(now + outcome.accept_within) if outcome.accept_within is not None else None,
        "rule": outcome.rule,
        "because": outcome.because,
        "reason": outcome.reason,
    }
