"""Fetching SETs (RFC 8936): what is acknowledged is forgotten, what is not comes again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry.event_types import SSF
from scim_bridge.watch.ssf_fill import fill_one
from scim_bridge.watch.ssf_keys import Signer, signed
from scim_bridge.watch.ssf_model import ENABLED, Stream
from scim_bridge.watch.ssf_push import acknowledge, refuse
from scim_bridge.watch.ssf_streams import stream

MOST = 100
MOST_ACKS = 1000
# Shorter than what proxies in between bear, and few at a time: a poll that waits holds a connection.
LONGEST_WAIT = 20.0
LOOK_EVERY = 0.5
MOST_WAITING = 64


@dataclass(frozen=True, slots=True)
class Poll:
    """What a receiver asks for, acknowledges and refuses in one request."""

    most: int = MOST
    at_once: bool = False
    acks: tuple[str, ...] = ()
    errors: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def read_poll(body: Mapping[str, Any]) -> Poll:
    """A poll request (RFC 8936 section 2.2); Invalid names the member that is wrong."""
    most, at_once = body.get("maxEvents", MOST), body.get("returnImmediately", False)
    if isinstance(most, bool) or not isinstance(most, int) or most < 0:
        raise _wrong("maxEvents", "It is a number, 0 or more.")
    if not isinstance(at_once, bool):
        raise _wrong("returnImmediately", "It is true or false.")
    acks, errors = body.get("ack", []), body.get("setErrs", {})
    if not isinstance(acks, list) or len(acks) > MOST_ACKS or not all(isinstance(one, str) for one in acks):
        raise _wrong("ack", f"It is a list of at most {MOST_ACKS} jti.")
    if not isinstance(errors, dict) or len(errors) > MOST_ACKS:
        raise _wrong("setErrs", "It is an object by jti.")
    read = {}
    for jti, said in errors.items():
        if not isinstance(said, dict) or not isinstance(said.get("err"), str):
            raise _wrong("setErrs", "Each has an err and a description.")
        read[jti] = (_shown(said["err"]), _shown(said.get("description")))
    return Poll(min(most, MOST), at_once, tuple(acks), read)


def _shown(text: object) -> str:
    return "".join(c for c in text if c.isprintable())[:300] if isinstance(text, str) else ""


def _wrong(member: str, fix: str) -> Invalid:
    return Invalid("poll", f"{member} is not what it should be.", fix)


class Polling:
    """Answers polls, of which a few may wait for something to happen."""

    def __init__(self, ctx: Context, *, wait: float = LONGEST_WAIT) -> None:
        self._ctx = ctx
        self._wait = wait
        self._signer = Signer(ctx.master)
        self._waiting: set[str] = set()

    async def answer(self, actor: Actor, found: Stream, asked: Poll) -> dict[str, Any]:
        """{sets, moreAvailable} after taking what is acknowledged; waits for an event when there is none and it may."""
        if asked.acks or asked.errors:
            await self._ctx.store.transact(actor, lambda work: _taken(work, found, asked))
        if asked.most == 0:
            return {"sets": {}, "moreAvailable": bool(await self._rows(found, 1))}
        rows = await self._found(found, asked)
        sent = rows[: asked.most]
        sets = await self._signed(sent) if sent else {}
        return {"sets": sets, "moreAvailable": len(rows) > len(sent)}

    async def _found(self, found: Stream, asked: Poll) -> list[Any]:
        """What waits, one more than asked for. One poll of a stream waits at a time; others answer at once."""
        rows = await self._now(found, asked.most)
        may_wait = not asked.at_once and found.id not in self._waiting and len(self._waiting) < MOST_WAITING
        if rows or not may_wait:
            return rows
        self._waiting.add(found.id)
        try:
            for _ in range(int(self._wait / LOOK_EVERY)):
                await asyncio.sleep(LOOK_EVERY)
                rows = await self._now(found, asked.most)
                if rows:
                    break
        finally:
            self._waiting.discard(found.id)
        return rows

    async def _now(self, found: Stream, most: int) -> list[Any]:
        fresh = await stream(self._ctx.store.reads, found.id)
        await fill_one(self._ctx, fresh)
        return await self._rows(fresh, most + 1)

    async def _rows(self, found: Stream, most: int) -> list[Any]:
        """What may be fetched now: of a stream that is not enabled only what is about the stream itself."""
        about = "" if found.status == ENABLED else SSF
        return list(
            await self._ctx.store.reads.all(
                "SELECT jti, event, claims FROM sb_tx_set WHERE stream_id = ? AND state = 'queued'"
                " AND event LIKE ? ORDER BY position LIMIT ?",
                found.id,
                f"{about}%",
                most,
            )
        )

    async def _signed(self, rows: list[Any]) -> dict[str, str]:
        key = await self._signer.ready(self._ctx.store.reads, self._ctx.store.clock.now())
        return await asyncio.to_thread(lambda: {row["jti"]: signed(key, row["claims"]) for row in rows})


async def _taken(work: Work, found: Stream, asked: Poll) -> None:
    work.bookkeeping("events were acknowledged")
    await acknowledge(work, found.id, list(asked.acks))
    for jti, (err, description) in asked.errors.items():
        if await refuse(work, found.id, jti, err, description):
            detail = {"jti": jti, "err": err, "description": description}
            await record(
                work,
                "transmitter.set_refused",
                "stream",
                found.id,
                detail,
                outcome="failed",
                connection_id=found.owner or None,
            )
