"""Accepting signals: each one once, kept and audited, reacted to in the same transaction."""

from __future__ import annotations

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import Work
from scim_bridge.registry.model import PERSON
from scim_bridge.registry.signal import AWAY, DELETED, LEFT, RETURNED, React, Signal

UPSERT = (
    "INSERT INTO sb_signal (id, source, key, kind, person_id, named, at, effective_at, immediate, reason,"
    " received) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (source, key) DO UPDATE SET kind = excluded.kind, person_id = excluded.person_id,"
    " named = excluded.named, at = excluded.at, effective_at = excluded.effective_at,"
    " immediate = excluded.immediate, reason = excluded.reason"
    " WHERE sb_signal.person_id IS NULL AND excluded.person_id IS NOT NULL"
)

# Who is deleted is deleted, whatever was said later: a document that comes again is another person's news.
OPPOSITE = {RETURNED: (LEFT, DELETED, AWAY), LEFT: (RETURNED,), AWAY: (RETURNED,)}


async def accept(work: Work, signal: Signal, react: React) -> bool:
    """Keep a signal and react to it; False, and nothing done, when this event was acted on before.

    The same source and key is one event. One that was kept because nobody matched is acted on when
    the door tells it again and somebody does. One that newer news of the same door took back while it
    was on its way is kept, and nothing follows.
    """
    overtaken = await _overtaken(work, signal)
    if not await _keep(work, signal, signal.person_id, signal.person_id):
        work.bookkeeping("this signal was acted on before")
        return False
    if overtaken:
        await record(work, "signal.overtaken", PERSON, signal.person_id, _detail(signal))
        return True
    await record(work, "signal.accepted", PERSON, signal.person_id, _detail(signal))
    await react(work, signal)
    return True


async def keep_unmatched(work: Work, signal: Signal, named: str, why: str) -> bool:
    """Keep news about somebody who cannot be told for certain; False when it is kept already.

    Nothing is acted on. `signal.person_id` is ignored; `why` says why nobody was chosen.
    """
    if not await _keep(work, signal, None, named):
        work.bookkeeping("this signal is kept already")
        return False
    detail = {**_detail(signal), "named": named, "why": why}
    await record(work, "signal.unmatched", PERSON, None, detail, outcome="failed")
    return True


async def _overtaken(work: Work, signal: Signal) -> bool:
    """Whether this door said the opposite of a later time before. Who leaves at once is stopped nevertheless."""
    opposite = OPPOSITE.get(signal.kind)
    if opposite is None or signal.immediate:
        return False
    row = await work.tx.one(
        f"SELECT 1 AS x FROM sb_signal WHERE person_id = ? AND source = ? AND at > ?"
        f" AND kind IN ({marks(len(opposite))}) LIMIT 1",
        signal.person_id,
        signal.source,
        signal.at,
        *opposite,
    )
    return row is not None


async def _keep(work: Work, signal: Signal, person_id: str | None, named: str) -> int:
    return await work.tx.run(
        UPSERT,
        work.ids.new(),
        signal.source,
        signal.key,
        signal.kind,
        person_id,
        named,
        signal.at,
        signal.effective_at,
        int(signal.immediate),
        signal.reason,
        work.now,
    )


def _detail(signal: Signal) -> dict[str, object]:
    return {
        "source": signal.source,
        "key": signal.key,
        "kind": signal.kind,
        "at": iso(signal.at),
        "effective_at": iso(signal.effective_at),
        "immediate": signal.immediate,
        "reason": signal.reason,
    }
