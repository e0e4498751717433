"""Hearing an HR notice: who it means, and what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

from scim_bridge.audit.record import record
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import BridgeError, Conflict
from scim_bridge.kernel.vendor_webhook import Event
from scim_bridge.kernel.work import Work
from scim_bridge.registry.employee_numbers import people_numbered
from scim_bridge.registry.model import PERSON
from scim_bridge.registry.people_refs import people_named
from scim_bridge.registry.signal import LEFT, React, Signal
from scim_bridge.signals.doors import note_heard
from scim_bridge.signals.hr import Notice, effective_at, warning
from scim_bridge.signals.service import accept, keep_unmatched


class Heard(Enum):
    """What became of an event: answered to the sender, who need not send it again."""

    ACTED = "acted", 200, "Taken."
    SEEN = "seen", 200, "Already seen; nothing was done again."
    UNMATCHED = (
        "unmatched",
        202,
        "Kept, but nobody here is certainly meant; an admin can see it in the audit.",
    )
    IGNORED = "ignored", 202, "Genuine, but not an event that is acted on."

    def __new__(cls, value: str, status: int, message: str) -> Heard:
        """A member is its value; status and message ride along."""
        made = object.__new__(cls)
        made._value_ = value
        return made

    def __init__(self, value: str, status: int, message: str) -> None:
        self.status = status
        self.message = message


class NotYet(BridgeError):
    """What is needed to say who is meant is being prepared: the same again, a little later."""

    status = 503


class Replayed(Conflict):
    """A genuine message that is not a new one. Codes: webhook-replayed, webhook-id-reused."""


async def hear_all(
    work: Work,
    door: str,
    event: Event,
    notices: Sequence[Notice | None],
    react: React,
    *,
    numbers: bool = True,
) -> Heard:
    """Hear everything one message says; what became of it, the weightiest first.

    `numbers`: whether employee numbers can be looked up; NotYet when they cannot and somebody has no other name.
    """
    work.bookkeeping("a message that asks for nothing was heard")
    heard = [Heard.IGNORED]
    for place, notice in enumerate(notices):
        if notice is None:
            continue
        if notice.number and not numbers and not notice.names:
            raise NotYet(
                "hr-numbers", "Employee numbers are being indexed.", "Send the same again.", retry_after=5
            )
        one = replace(event, id=f"{event.id}#{place}") if len(notices) > 1 else event
        heard.append(await hear(work, door, one, notice, react))
    newest = max((notice.happened for notice in notices if notice is not None), default=None)
    known = min(newest, work.now) if newest is not None else None
    await note_heard(work, door, "hr", event=known, events=len(heard) - 1)
    return next(one for one in Heard if one in heard)


async def hear(work: Work, door: str, event: Event, notice: Notice, react: React) -> Heard:
    """Turn a genuine notice into a signal about the one person it means, and act on it once.

    When nobody or more than one person could be meant, nobody is touched: the notice is kept. A later
    attempt to tell the same is answered and audited; Replayed when it is none, and nothing is done.
    """
    known = await _known(work, door, event, notice)
    heard = await _heard(work, door, event.id, notice, react)
    if known and heard is Heard.SEEN:
        told = {"source": door, "key": event.id, "kind": notice.kind}
        await record(work, "signal.repeated", PERSON, None, told)
    await work.tx.run(
        "UPDATE sb_signal SET digest = ?, signed = ? WHERE source = ? AND key = ?",
        _digest(notice),
        event.signed,
        door,
        event.id,
    )
    return heard


async def _known(work: Work, door: str, event: Event, notice: Notice) -> bool:
    """Whether the event was told before; Replayed when this is the same message, or another event."""
    row = await work.tx.one(
        f"SELECT digest, signed FROM sb_signal WHERE source = ? AND key = ?{work.tx.for_update}",
        door,
        event.id,
    )
    if row is None:
        return False
    if row["digest"] is not None and row["digest"] != _digest(notice):
        raise Replayed(
            "webhook-id-reused",
            "This webhook-id was used for another event, which was taken.",
            "Give each event an id of its own.",
        )
    if row["signed"] is not None and event.signed <= row["signed"]:
        raise Replayed(
            "webhook-replayed",
            "This message was taken before.",
            "Nothing need be sent again; a new attempt is signed anew.",
        )
    return True


def _digest(notice: Notice) -> str:
    """What is acted on. Members that are not, as the time of sending, may differ from attempt to attempt."""
    said: tuple[object, ...] = (
        notice.kind,
        sorted(notice.names),
        str(notice.last_day),
        notice.zone,
        notice.involuntary,
    )
    if notice.number is not None:
        said = (*said, notice.number)
    return hashlib.sha256(repr(said).encode()).hexdigest()


async def _heard(work: Work, door: str, event_id: str, notice: Notice, react: React) -> Heard:
    person_id, why = await whom(work.tx, notice)
    zone = await _zone_of_person(work.tx, person_id)
    signal = Signal(
        source=door,
        key=event_id,
        kind=notice.kind,
        person_id=person_id or "",
        at=notice.happened,
        effective_at=effective_at(notice, zone, work.now),
        reason=f"{door} says so",
        immediate=notice.kind == LEFT and notice.involuntary,
    )
    if person_id is None:
        fresh = await keep_unmatched(work, signal, notice.named, why)
        return Heard.UNMATCHED if fresh else Heard.SEEN
    if not await accept(work, signal, react):
        return Heard.SEEN
    wrong = warning(notice)
    if wrong is not None:
        detail = {"source": door, "key": event_id, "warning": wrong}
        await record(work, "signal.warned", PERSON, person_id, detail)
    return Heard.ACTED


async def whom(reader: Reader, notice: Notice) -> tuple[str | None, str]:
    """The id of the one person all names agree on, else None and why."""
    candidates: set[str] | None = None
    every = [set(await people_named(reader, name)) for name in notice.names]
    if notice.number is not None:
        every.append(await people_numbered(reader, notice.number))
    for found in every:
        if found:
            candidates = found if candidates is None else candidates & found
    if candidates is None:
        return None, "nobody is known by this userName, e-mail address or employee number"
    if len(candidates) == 1:
        return candidates.pop(), ""
    return None, "userName, e-mail address and employee number do not name the same single person"


async def _zone_of_person(reader: Reader, person_id: str | None) -> str | None:
    if person_id is None:
        return None
    row = await reader.one("SELECT time_zone FROM sb_person WHERE id = ?", person_id)
    return None if row is None else row["time_zone"]
