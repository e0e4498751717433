"""Taking a genuine security event: once, about whom it certainly means, and nothing for what it does not say."""

from __future__ import annotations

from enum import StrEnum

from scim_bridge.audit.record import record
from scim_bridge.kernel.crypto import equal
from scim_bridge.kernel.work import Work
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.model import AGENT, PERSON
from scim_bridge.registry.signal import DELETED, LEFT, React, Signal
from scim_bridge.signals.doors import note_gap, note_heard, note_trouble
from scim_bridge.signals.secevent import Happening, SecEvent, SetRefused
from scim_bridge.signals.service import accept, keep_unmatched
from scim_bridge.signals.ssf_events import (
    MEANINGS,
    STREAM_UPDATED,
    VERIFICATIONS,
    Meaning,
    immediate,
    in_order,
    short,
)
from scim_bridge.signals.stream_state import set_status
from scim_bridge.signals.streams import ENABLED, STATUSES, Stream
from scim_bridge.signals.subjects import Identifier, agent_meant, identifiers, named, whom


class Taken(StrEnum):
    """What became of a SET, the weightiest of its events first."""

    ACTED = "acted"
    UNMATCHED = "unmatched"
    NOTED = "noted"
    CONTROL = "control"
    IGNORED = "ignored"
    SEEN = "seen"


async def take(work: Work, found: Stream, event: SecEvent, react: React, *, ack: int = 0) -> Taken:
    """Act on a SET that was proven genuine, and remember it; SEEN, and nothing done, when it was taken before.

    `ack` 1 has it acknowledged with the next poll. One about somebody unknown is looked at again when
    it comes again. SetRefused when its id stood for something else, or a subject cannot be read.
    """
    work.bookkeeping("what a security event asks for has audit rows of its own")
    if not await _first(work, found, event, ack):
        return Taken.SEEN
    every = [await _one(work, found, event, happening, react) for happening in in_order(event.happenings)]
    taken = next(one for one in Taken if one in every)
    await work.tx.run(
        "UPDATE sb_ssf_set SET heard = ? WHERE connection_id = ? AND jti = ?",
        taken.value,
        found.connection_id,
        event.jti,
    )
    if Taken.CONTROL not in every:
        newest = max(one.at for one in event.happenings)
        await note_heard(
            work,
            found.door,
            found.kind,
            connection_id=found.connection_id,
            event=newest,
            events=len(event.happenings),
        )
    return taken


async def _first(work: Work, found: Stream, event: SecEvent, ack: int) -> bool:
    """Claim the SET's id; False when it was taken. Two attempts at once wait for each other here."""
    fresh = await work.tx.run(
        "INSERT INTO sb_ssf_set (connection_id, jti, digest, received, heard, err, description, ack)"
        " VALUES (?, ?, ?, ?, '', '', '', ?) ON CONFLICT (connection_id, jti) DO NOTHING",
        found.connection_id,
        event.jti,
        event.digest,
        work.now,
        ack,
    )
    if fresh:
        return True
    row = await work.tx.one(
        f"SELECT digest, heard, err FROM sb_ssf_set WHERE connection_id = ? AND jti = ?{work.tx.for_update}",
        found.connection_id,
        event.jti,
    )
    if row is not None and not row["err"] and row["digest"] != event.digest:
        raise SetRefused(
            "invalid_request", "set-jti-reused", "Its jti stood for another event, which was taken."
        )
    await work.tx.run(
        "UPDATE sb_ssf_set SET digest = ?, err = '', description = '', ack = ? WHERE connection_id = ? AND jti = ?",
        event.digest,
        ack,
        found.connection_id,
        event.jti,
    )
    return row is not None and (bool(row["err"]) or row["heard"] == Taken.UNMATCHED)


async def _one(work: Work, found: Stream, event: SecEvent, happening: Happening, react: React) -> Taken:
    if happening.uri in VERIFICATIONS:
        return await _verified(work, found, happening)
    if happening.uri == STREAM_UPDATED:
        return await _updated(work, found, happening)
    meaning = MEANINGS.get(happening.uri)
    if meaning is None:
        return Taken.IGNORED
    raw = event.subject if event.subject is not None else happening.payload.get("subject")
    who = identifiers(raw)
    person_id, why = await whom(work.tx, found.rules, who)
    if meaning.kind is not None:
        return await _signalled(work, found, event, happening, meaning, who, person_id, why, react)
    if person_id is None:
        # A session of somebody who is not known here ends somewhere every minute.
        return Taken.IGNORED
    return await _noted(work, found, event, happening, meaning, PERSON, person_id)


async def _noted(
    work: Work,
    found: Stream,
    event: SecEvent,
    happening: Happening,
    meaning: Meaning,
    kind: str,
    subject_id: str,
) -> Taken:
    detail = {
        "source": found.door,
        "key": event.jti,
        "event": short(happening.uri),
        "means": meaning.words,
    }
    await record(work, "signal.noted", kind, subject_id, detail, connection_id=found.connection_id)
    return Taken.NOTED


async def _of_agent(
    work: Work, found: Stream, event: SecEvent, happening: Happening, meaning: Meaning, agent_id: str
) -> Taken:
    """The IdP's word on an agent's own account: a bad one is this connection's hold, a good one releases nothing."""
    if meaning.kind not in (LEFT, DELETED):
        return await _noted(work, found, event, happening, meaning, AGENT, agent_id)
    await place_hold(
        work,
        agent_id,
        f"connection:{found.connection_id}",
        "connection",
        f"{found.door} says {meaning.words}",
        f"{found.connection} activates it again (active: true)",
    )
    return Taken.ACTED


async def _signalled(
    work: Work,
    found: Stream,
    event: SecEvent,
    happening: Happening,
    meaning: Meaning,
    who: tuple[Identifier, ...],
    person_id: str | None,
    why: str,
    react: React,
) -> Taken:
    several = len(event.happenings) > 1
    signal = Signal(
        source=found.door,
        key=f"{event.jti}#{short(happening.uri)}" if several else event.jti,
        kind=str(meaning.kind),
        person_id=person_id or "",
        at=happening.at,
        effective_at=min(happening.at, work.now),
        reason=f"{found.door} says {meaning.words}",
        immediate=meaning.kind == LEFT and immediate(happening),
    )
    if person_id is None:
        agent_id = await agent_meant(work.tx, found.rules, who)
        if agent_id is not None:
            return await _of_agent(work, found, event, happening, meaning, agent_id)
        await keep_unmatched(work, signal, named(who), why)
        return Taken.UNMATCHED
    return Taken.ACTED if await accept(work, signal, react) else Taken.SEEN


async def _verified(work: Work, found: Stream, happening: Happening) -> Taken:
    """The transmitter sent our state round: the stream works. One that nobody asked for shows that, too."""
    state = happening.payload.get("state")
    asked = found.verify_state
    if asked and isinstance(state, str) and equal(state.encode().hex(), asked.encode().hex()):
        await work.tx.run(
            "UPDATE sb_ssf_stream SET verified = ?, verify_state = '' WHERE connection_id = ?",
            work.now,
            found.connection_id,
        )
    elif state is not None:
        # SSF 1.0 section 8.1.4.1: a state that was not asked for is not ours to believe.
        raise SetRefused(
            "invalid_request", "set-claim", "The state of the verification is not the one asked for."
        )
    await note_heard(work, found.door, found.kind, connection_id=found.connection_id)
    return Taken.CONTROL


async def _updated(work: Work, found: Stream, happening: Happening) -> Taken:
    status, reason = happening.payload.get("status"), happening.payload.get("reason", "")
    if status not in STATUSES or not isinstance(reason, str):
        raise SetRefused("invalid_request", "set-claim", "The status of the stream is none.")
    said = "".join(c for c in reason[:200] if c.isprintable())
    await note_status(work, found, str(status), said)
    return Taken.CONTROL


async def note_status(work: Work, found: Stream, status: str, reason: str) -> None:
    """Keep what the transmitter says of the stream; a paused one is trouble, a disabled one a gap as well."""
    before = found.status
    await set_status(work, found, status, reason)
    if status == ENABLED:
        await note_heard(work, found.door, found.kind, connection_id=found.connection_id)
        return
    why = f"The transmitter {status} the stream{f': {reason}' if reason else ''}."
    await note_trouble(work, found.door, found.kind, why, connection_id=found.connection_id)
    if status == "disabled" and before != status:
        await note_gap(work, found.door, f"{why} What happens until it is enabled is not sent later.")
