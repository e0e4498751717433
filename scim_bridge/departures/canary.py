"""What a drill does in place of calling the world: one call to the worker itself, one harmless read of each IdP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from scim_bridge.departures.model import Case
from scim_bridge.kernel.effects import Done, Effect, Handler, Outcome, Retry, lane
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.work import Work

DRILL_EFFECT = "departure.drill"
# Seconds between two tries at an IdP that does not answer.
AGAIN = 10.0

Probe = Callable[[str], Awaitable[object]]


def handlers(probe: Probe) -> dict[str, Handler]:
    """Who performs the drill's stand-ins. `probe` asks an IdP (by connection id) something harmless."""

    async def stand_in(effect: Effect) -> Outcome:
        connection_id = effect.payload.get("connection_id")
        if connection_id is None:
            return Done({"reached": "the worker"})
        try:
            await probe(str(connection_id))
        except BridgeError as error:
            return Retry(error.message, AGAIN)
        return Done({"reached": effect.payload["name"]})

    return {DRILL_EFFECT: stand_in}


async def stand_ins(work: Work, case: Case) -> None:
    """Write, in place of what a real departure tells the world, one call to the worker itself, one to each IdP."""
    rows = await work.tx.all("SELECT id, name FROM sb_connection WHERE secrets IS NOT NULL ORDER BY name")
    hops: list[dict[str, str]] = [{"name": "worker"}]
    hops += [{"name": row["name"], "connection_id": row["id"]} for row in rows]
    for hop in hops:
        await work.effect(
            DRILL_EFFECT,
            dict(hop),
            lane=lane("drill", hop["name"]),
            case_id=case.id,
            subject_id=case.person_id,
        )
