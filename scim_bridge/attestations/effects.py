"""What other rooms ask of this one, after the commit: agents that came back with a statement that ran out meanwhile."""

from __future__ import annotations

from scim_bridge.attestations.lapsing import came_back
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Done, Effect, Handler, Outcome
from scim_bridge.registry.outward import ATTESTATION_RAN_OUT
from scim_bridge.settings.attestations import AttestationSettings


def handlers(ctx: Context, settings: AttestationSettings) -> dict[str, Handler]:
    """Who looks after a statement that ran out while its agent was deleted."""

    async def ran_out(effect: Effect) -> Outcome:
        agent_id = str(effect.payload["agent_id"])
        # In the transaction that settles the effect: nobody is asked twice.
        return Done({}, lambda work: came_back(work, ctx, settings, agent_id))

    return {ATTESTATION_RAN_OUT: ran_out}
