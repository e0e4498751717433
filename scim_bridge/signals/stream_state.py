"""What is noted of a stream beside its settings: how its transmitter says it stands, and verifications under way."""

from __future__ import annotations

import secrets as random

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import MINUTE
from scim_bridge.kernel.work import Work
from scim_bridge.signals.streams import Stream


async def set_status(work: Work, found: Stream, status: str, reason: str) -> None:
    """Note what the transmitter says of its stream."""
    await work.tx.run(
        "UPDATE sb_ssf_stream SET status = ?, status_reason = ? WHERE connection_id = ?",
        status,
        reason[:200],
        found.connection_id,
    )
    if status != found.status:
        detail = {"connection": found.connection, "status": status, "reason": reason[:200]}
        await record(
            work,
            "stream.status",
            "connection",
            found.connection_id,
            detail,
            connection_id=found.connection_id,
        )
    else:
        work.bookkeeping("the stream's status is as it was")


async def ask_verification(work: Work, found: Stream) -> str:
    """The state to be sent round by the transmitter: that of a moment ago while it is on its way, else a new one."""
    work.bookkeeping("a verification is asked for")
    row = await work.tx.one(
        f"SELECT verify_state, verify_asked FROM sb_ssf_stream WHERE connection_id = ?{work.tx.for_update}",
        found.connection_id,
    )
    under_way = row is not None and row["verify_state"] and work.now - (row["verify_asked"] or 0) < MINUTE
    state = str(row["verify_state"]) if row is not None and under_way else random.token_urlsafe(24)
    await work.tx.run(
        "UPDATE sb_ssf_stream SET verify_state = ?, verify_asked = ? WHERE connection_id = ?",
        state,
        work.now,
        found.connection_id,
    )
    return state
