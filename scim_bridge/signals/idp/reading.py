"""Looking into news: the person is read at the IdP, and what is true there becomes signals.

No event is believed: hooks are not signed, notices say only a name, logs tell of what was. Whoever
reads later acts later: a reading that began before one that was acted on changes nothing.
"""

from __future__ import annotations

from functools import partial

import structlog

from scim_bridge.audit.record import record
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.effects import MAX_ATTEMPTS, Done, Effect, Handler, Outcome, Retry
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry.certification import Certification, Certified
from scim_bridge.registry.connection_settings import SUSPENDED
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.model import PERSON, display_name
from scim_bridge.registry.news import NewsOf, RemotePerson, ReviewNews, There, Unanswered
from scim_bridge.registry.resources import load
from scim_bridge.registry.signal import React, Signal
from scim_bridge.signals.doors import door, note_heard, note_trouble
from scim_bridge.signals.idp.follow import ABOUT_STATE, Fact, Said, Seen, what_follows
from scim_bridge.signals.idp.news import NEWS_READ, NOBODY, READ, UNCLEAR
from scim_bridge.signals.idp.okta_event import DECIDED
from scim_bridge.signals.idp.reviewing import act_on
from scim_bridge.signals.idp.whom import Meant, whom
from scim_bridge.signals.service import accept

log = structlog.get_logger("scim_bridge.signals")

PUT_OFF = "put off"
# Seconds between attempts while an IdP is away.
LONGEST = 10.0
# So often a review that is told as decided is read again while it does not show that.
LAGGING = 3
TITLES = {"okta": "Okta", "entra": "Entra"}


def source_of(connection: Connection) -> str:
    """The source of every signal this tenant gives, whichever door told of it: "okta:acme".

    Two doors of one tenant are one voice: what one of them took back is not still said by the other.
    """
    return f"{connection.kind}:{connection.name}"


async def nobody_certifies(_work: Work, _told: Certification) -> str:
    """Takes no decision of a review: an installation without attestations."""
    return "nobody takes it"


def handlers(
    ctx: Context, news_of: NewsOf, react: React, certified: Certified = nobody_certifies
) -> dict[str, Handler]:
    """Who looks into news. `certified` takes decisions of access reviews."""
    return {NEWS_READ: Looking(ctx, news_of, react, certified).look}


class Looking:
    """Reads one person for one piece of news, and acts on what it finds."""

    def __init__(self, ctx: Context, news_of: NewsOf, react: React, certified: Certified) -> None:
        self._ctx = ctx
        self._news_of = news_of
        self._react = react
        self._certified = certified

    async def look(self, effect: Effect) -> Outcome:
        """One attempt. An IdP that does not answer is told on the door; the news waits for it."""
        store = self._ctx.store
        row = await store.reads.one("SELECT state, kind FROM sb_news WHERE id = ?", effect.payload["news"])
        if row is None or row["state"] != "waiting":
            return Done({"outcome": "looked into with later news"})
        began = store.clock.now()
        try:
            connection, source = await self._news_of(str(effect.payload["connection"]))
            if row["kind"] == DECIDED:
                return await self._decided(effect, connection, source)
            remote: RemotePerson = await source.person(str(effect.payload["remote_id"]))
        except NotFound as error:
            return Done({"outcome": error.message}, partial(_drop, effect=effect))
        except (Unanswered, Refused) as error:
            return await self._unanswered(effect, error)
        return Done({"there": remote.there.value}, partial(self._found, effect, connection, remote, began))

    async def _unanswered(self, effect: Effect, error: Unanswered | Refused) -> Outcome:
        async def body(work: Work) -> None:
            work.bookkeeping("a door that cannot be heard")
            await _trouble(work, effect, error.text())

        await self._ctx.store.transact(SYSTEM, body)
        transient = isinstance(error, Unanswered) and error.transient
        # Never dead: the row stays waiting, and the upkeep asks again.
        if not transient or effect.attempts + 2 >= MAX_ATTEMPTS:
            return Done({"outcome": PUT_OFF, "why": error.message})
        # What waits behind it in the lane waits as long: no pauses that grow to minutes.
        return Retry(error.message, LONGEST if error.retry_after is None else float(error.retry_after))

    async def _decided(self, effect: Effect, connection: Connection, source: ReviewNews) -> Outcome:
        """One decision of an access review, as it stands there now."""
        review = await source.review(str(effect.payload["remote_id"]))
        if review is not None and not review.decision and effect.attempts < LAGGING:
            # The log may tell of a decision a moment before the review shows it.
            return Retry("nobody decided yet", LONGEST)
        by = "" if review is None else review.reviewer
        reviewer = await source.person(by) if by else None

        async def body(work: Work) -> None:
            note = "there is no such review that may be read, or nobody decided"
            if review is not None and reviewer is not None:
                note = await act_on(work, connection, review, reviewer, self._certified)
            work.bookkeeping("a review was looked into")
            await work.tx.run(
                "UPDATE sb_news SET state = ?, note = ? WHERE id = ?",
                READ,
                note[:300],
                effect.payload["news"],
            )

        return Done({"review": effect.payload["remote_id"]}, body)

    async def _found(
        self, effect: Effect, connection: Connection, remote: RemotePerson, began: int, work: Work
    ) -> None:
        meant = await act(work, connection, remote, began, self._react)
        state = READ if meant.person_id is not None else UNCLEAR if meant.unclear else NOBODY
        await work.tx.run(
            "UPDATE sb_news SET state = ?, note = ? WHERE connection_id = ? AND remote_id = ?"
            " AND state = 'waiting' AND received <= ?",
            state,
            f"{remote.there.value}; {meant.how}",
            connection.id,
            remote.remote_id,
            began,
        )
        if meant.unclear:
            await _unclear(work, connection, remote, meant)
        known = await door(work.tx, str(effect.payload["door"]))
        if known is not None and known.trouble:
            await note_heard(work, known.name, known.kind, connection_id=known.connection_id)


async def act(work: Work, connection: Connection, remote: RemotePerson, began: int, react: React) -> Meant:
    """Turn one reading of a person into signals, and remember it; who was meant.

    `began`: when the reading began. Writes nothing but the memory when nothing follows.
    """
    before = await work.tx.one(
        "SELECT person_id, manager, department, login, read, since FROM sb_remote_person"
        f" WHERE connection_id = ? AND remote_id = ?{work.tx.for_update}",
        connection.id,
        remote.remote_id,
    )
    meant = await whom(work.tx, connection, remote, None if before is None else before["person_id"])
    overtaken = before is not None and before["read"] > began
    if meant.person_id is None or overtaken:
        work.bookkeeping("news that nothing follows from")
        return meant
    # Before anything is decided: two readings of one person are acted on one after the other.
    person = await load(work, meant.person_id, PERSON)
    source = source_of(connection)
    last = await _last(work.tx, source, person.id)
    seen = None if before is None else Seen(before["manager"], before["department"])
    suspended = str(connection.settings.get("suspended") or SUSPENDED[0])
    facts = what_follows(remote, last, seen, work.now, suspended=suspended)
    name = display_name(person.doc) or person.name
    for fact in facts:
        said = f"{TITLES.get(connection.kind, connection.kind)} ({connection.name}) says {name} {fact.said}"
        signal = Signal(source, fact.key, fact.kind, person.id, fact.at, fact.effective_at, said)
        if await accept(work, signal, react):
            await _told(work, connection, fact, person.id, meant)
    work.bookkeeping("how a person stands at the IdP")
    await remember(work, connection.id, remote, person.id, began)
    return meant


async def remember(work: Work, connection_id: str, remote: RemotePerson, person_id: str, began: int) -> None:
    """Keep how a person was read there. Of somebody absent the rest of what was known stays."""
    absent = remote.there is There.ABSENT
    kept = (
        ""
        if absent
        else (
            " login = excluded.login, manager = excluded.manager, department = excluded.department,"
            " leave_at = excluded.leave_at,"
        )
    )
    await work.tx.run(
        "INSERT INTO sb_remote_person (connection_id, remote_id, person_id, there, login, manager, department,"
        " since, leave_at, read) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (connection_id, remote_id)"
        f" DO UPDATE SET person_id = excluded.person_id, there = excluded.there,{kept}"
        " since = excluded.since, read = excluded.read",
        connection_id,
        remote.remote_id,
        person_id,
        remote.there.value,
        remote.login,
        remote.manager,
        remote.department,
        remote.since,
        remote.leave_at,
        began,
    )


async def _last(reader: Reader, source: str, person_id: str) -> Said | None:
    """The last signal of this tenant about whether a person is there."""
    row = await reader.one(
        "SELECT kind, key, at FROM sb_signal WHERE source = ? AND person_id = ?"
        f" AND kind IN ({marks(len(ABOUT_STATE))}) ORDER BY received DESC, id DESC LIMIT 1",
        source,
        person_id,
        *ABOUT_STATE,
    )
    return None if row is None else Said(row["kind"], row["key"], row["at"])


async def _told(work: Work, connection: Connection, fact: Fact, person_id: str, meant: Meant) -> None:
    detail = {"source": source_of(connection), "key": fact.key, "matched": meant.how}
    await record(work, "signal.confirmed", PERSON, person_id, detail, connection_id=connection.id)


async def _unclear(work: Work, connection: Connection, remote: RemotePerson, meant: Meant) -> None:
    """News about somebody who cannot be told for certain: found in the audit, acted on by nobody."""
    if remote.there is There.PRESENT:
        return
    detail = {
        "source": source_of(connection),
        "remote_id": remote.remote_id,
        "named": remote.login,
        "there": remote.there.value,
        "why": meant.how,
    }
    await record(
        work, "signal.unmatched", PERSON, None, detail, outcome="failed", connection_id=connection.id
    )


async def _trouble(work: Work, effect: Effect, why: str) -> None:
    known = await door(work.tx, str(effect.payload["door"]))
    if known is not None:
        await note_trouble(work, known.name, known.kind, why, connection_id=known.connection_id)
    log.warning("news.unread", action="news.unread", door=effect.payload["door"], reason=why)


async def _drop(work: Work, effect: Effect) -> None:
    """The connection is gone: there is nobody to ask any more."""
    work.bookkeeping("news of a connection that is gone")
    await work.tx.run(
        "UPDATE sb_news SET state = ?, note = 'the connection is gone' WHERE id = ?",
        NOBODY,
        effect.payload["news"],
    )
