"""Where polling a transmitter stands: what is still to be acknowledged, and when it is asked next."""

from __future__ import annotations

from dataclasses import dataclass, field

from scim_bridge.kernel.clock import DAY, MINUTE, SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.signals.doors import note_heard, note_trouble
from scim_bridge.signals.secevent import OLDEST
from scim_bridge.signals.streams import ENABLED, Stream

PAUSE = 5 * SECOND
FIRST_PAUSE = 5 * SECOND
LONGEST_PAUSE = 10 * MINUTE
# Longer than any SET is believed, so that none is ever taken twice.
KEPT = OLDEST + DAY


@dataclass(frozen=True, slots=True)
class Due:
    """What the next request says of events that came before."""

    acks: tuple[str, ...] = ()
    errs: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def ids(self) -> tuple[str, ...]:
        """Every event that is spoken of."""
        return (*self.acks, *self.errs)


async def due(reader: Reader, found: Stream, most: int) -> Due:
    """What the transmitter has not heard of yet, the oldest first."""
    rows = await reader.all(
        "SELECT jti, err, description FROM sb_ssf_set WHERE connection_id = ? AND ack = 1"
        " ORDER BY received, jti LIMIT ?",
        found.connection_id,
        most,
    )
    errs = {row["jti"]: {"err": row["err"], "description": row["description"]} for row in rows if row["err"]}
    return Due(tuple(row["jti"] for row in rows if not row["err"]), errs)


async def said(work: Work, found: Stream, due: Due) -> None:
    """The transmitter heard what became of these events."""
    work.bookkeeping("events were acknowledged")
    await work.tx.run(
        f"UPDATE sb_ssf_set SET ack = 2 WHERE connection_id = ? AND jti IN ({marks(len(due.ids))})",
        found.connection_id,
        *due.ids,
    )


async def turn_after(work: Work, found: Stream, pause: int) -> None:
    """Ask this transmitter again after so many microseconds; it answered."""
    work.bookkeeping("when to poll again")
    await work.tx.run(
        "UPDATE sb_ssf_stream SET poll_next = ?, poll_failures = 0 WHERE connection_id = ?",
        work.now + pause,
        found.connection_id,
    )


async def answered(work: Work, found: Stream) -> None:
    """The transmitter answered everything: its door is heard."""
    await turn_after(work, found, PAUSE)
    row = await work.tx.one("SELECT status FROM sb_ssf_stream WHERE connection_id = ?", found.connection_id)
    if row is not None and row["status"] in ("", ENABLED):
        await note_heard(work, found.door, found.kind, connection_id=found.connection_id)


async def failed(work: Work, found: Stream, why: str, wait: int) -> None:
    """No usable answer came: trouble, and longer pauses, but at least `wait` microseconds."""
    work.bookkeeping("a poll that failed")
    pause = max(wait, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(found.poll_failures, 20)))
    await work.tx.run(
        "UPDATE sb_ssf_stream SET poll_failures = poll_failures + 1, poll_next = ? WHERE connection_id = ?",
        work.now + pause,
        found.connection_id,
    )
    await note_trouble(work, found.door, found.kind, why, connection_id=found.connection_id)


async def forget(ctx: Context) -> int:
    """Forget events that would be refused as too old by now, should they come again; how many."""
    older = ctx.store.clock.now() - KEPT
    if await ctx.store.reads.one("SELECT 1 AS x FROM sb_ssf_set WHERE received < ? LIMIT 1", older) is None:
        return 0

    async def body(work: Work) -> int:
        work.bookkeeping("events that are too old to come again")
        return await work.tx.run("DELETE FROM sb_ssf_set WHERE received < ?", older)

    return await ctx.store.transact(SYSTEM, body)
