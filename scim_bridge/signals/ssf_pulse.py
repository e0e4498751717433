"""Pushed streams prove by the hour that they still come: a verification event goes round, or the door is in trouble.

Silence says nothing: nobody may have left, or nothing may arrive any more.
"""

from __future__ import annotations

import structlog

from scim_bridge.kernel.clock import HOUR, MINUTE
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.signals import transmitter
from scim_bridge.signals.doors import note_gap, note_trouble
from scim_bridge.signals.stream_state import ask_verification
from scim_bridge.signals.streams import (
    ENABLED,
    PUSH,
    Stream,
    stream_secrets,
    streams,
)
from scim_bridge.signals.transmitter_calls import Calls
from scim_bridge.signals.way_out import way_out

log = structlog.get_logger("scim_bridge.signals")

EVERY = HOUR
PATIENCE = 10 * MINUTE
TROUBLE = "Verification: "


async def beat(ctx: Context) -> int:
    """Ask for the verifications that are due; how many. Of several replicas one asks each."""
    now = ctx.store.clock.now()
    due = [found for found in await streams(ctx.store.reads) if _due(found, now)]
    return sum([await _asked(ctx, found) for found in due])


def _due(found: Stream, now: int) -> bool:
    if found.method != PUSH or not (found.stream_id and found.endpoints.get("verification")):
        return False
    if found.status not in ("", ENABLED):
        return False
    if found.verify_asked is None:
        return True
    return now - found.verify_asked >= (PATIENCE if missing(found) else EVERY)


def missing(found: Stream) -> bool:
    """True when the verification asked for last did not come (yet)."""
    return found.verify_asked is not None and (found.verified is None or found.verified < found.verify_asked)


async def _asked(ctx: Context, found: Stream) -> bool:
    async def turn(work: Work) -> str | None:
        work.bookkeeping("a verification is asked for")
        row = await work.tx.one(
            f"SELECT verify_asked FROM sb_ssf_stream WHERE connection_id = ?{work.tx.for_update}",
            found.connection_id,
        )
        if row is None or row["verify_asked"] != found.verify_asked:
            return None
        if missing(found):
            why = f"{TROUBLE}an event that was asked for did not arrive within {PATIENCE // MINUTE} minutes."
            await note_trouble(work, found.door, found.kind, why, connection_id=found.connection_id)
            await note_gap(work, found.door, "A verification event did not arrive: others may be missing.")
        return await ask_verification(work, found)

    state = await ctx.store.transact(SYSTEM, turn)
    if state is None:
        return False
    secrets = await stream_secrets(ctx.store.reads, ctx.master, found.connection_id)
    try:
        async with way_out(ctx, found.ca_file) as outbound:
            calls = Calls(ctx.store.clock, outbound)
            await transmitter.verify(calls, found, secrets, state)
    except BridgeError as error:
        reason = error.text()

        async def troubled(work: Work) -> None:
            work.bookkeeping("a verification could not be asked for")
            await note_trouble(
                work, found.door, found.kind, f"{TROUBLE}{reason}", connection_id=found.connection_id
            )

        await ctx.store.transact(SYSTEM, troubled)
        log.warning("ssf.verify_failed", action="ssf.verify_failed", door=found.door, reason=reason)
    return True
