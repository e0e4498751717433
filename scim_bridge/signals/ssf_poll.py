"""Fetching security events that a transmitter keeps for us (RFC 8936): a duty asks, and acknowledges what was taken.

What was taken is written before it is acknowledged, and what was acknowledged is marked after the transmitter
answered: a process that is killed in between is sent the event again, and takes it once.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import structlog

from scim_bridge.audit.record import record_refusal
from scim_bridge.kernel.clock import MINUTE, SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.outbound import Answer
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.kernel.webhook import retry_after
from scim_bridge.kernel.work import SYSTEM, Actor, Work
from scim_bridge.registry.signal import React
from scim_bridge.signals.poll_state import Due, answered, due, failed, said, turn_after
from scim_bridge.signals.secevent import LONGEST_ID, SecEvent, SetRefused
from scim_bridge.signals.ssf_routes import genuine
from scim_bridge.signals.stream_keys import KeysAwaited
from scim_bridge.signals.streams import DISABLED, POLL, SELECT, Stream, stream_of, stream_secrets
from scim_bridge.signals.take_set import take
from scim_bridge.signals.transmitter_calls import Calls, Tokens, read
from scim_bridge.signals.way_out import way_out

log = structlog.get_logger("scim_bridge.signals")

EVENTS = 100
ROUNDS = 20
LEASE = 2 * MINUTE
MAX_BYTES = 8_000_000


class Poller:
    """Asks every transmitter that is polled, again and again. Access tokens are kept between the rounds."""

    def __init__(self, ctx: Context, react: React, *, events: int = EVENTS) -> None:
        self._ctx = ctx
        self._react = react
        self._events = events
        self._tokens: Tokens = {}

    async def poll_due(self) -> int:
        """Ask every transmitter whose turn it is; how many. Of several replicas one asks each."""
        now = self._ctx.store.clock.now()
        rows = await self._ctx.store.reads.all(
            f"{SELECT} WHERE s.method = '{POLL}' AND s.status <> '{DISABLED}' AND s.poll_next <= ?"
            " ORDER BY s.poll_next LIMIT 20",
            now,
        )
        return sum([await self._turn(stream_of(row), row["poll_next"]) for row in rows])

    async def _turn(self, found: Stream, due: int) -> bool:
        async def lease(work: Work) -> int:
            work.bookkeeping("a poll begins")
            return await work.tx.run(
                "UPDATE sb_ssf_stream SET poll_next = ? WHERE connection_id = ? AND poll_next = ?",
                work.now + LEASE,
                found.connection_id,
                due,
            )

        if not await self._ctx.store.transact(SYSTEM, lease):
            return False
        try:
            async with way_out(self._ctx, found.ca_file) as outbound:
                await self._rounds(found, Calls(self._ctx.store.clock, outbound, self._tokens))
        except KeysAwaited:
            await self._ctx.store.transact(SYSTEM, lambda work: turn_after(work, found, 2 * SECOND))
        except _Busy as error:
            why, wait = str(error), error.wait
            await self._ctx.store.transact(SYSTEM, lambda work: failed(work, found, why, wait))
        except (OutboundError, BridgeError) as error:
            reason = error.text()
            await self._ctx.store.transact(SYSTEM, lambda work: failed(work, found, reason, 0))
            log.warning("ssf.poll_failed", action="ssf.poll_failed", door=found.door, reason=reason)
        else:
            await self._ctx.store.transact(SYSTEM, lambda work: answered(work, found))
        return True

    async def _rounds(self, found: Stream, calls: Calls) -> None:
        secrets = await stream_secrets(self._ctx.store.reads, self._ctx.master, found.connection_id)
        handled: set[str] = set()
        for _ in range(ROUNDS):
            saying = await due(self._ctx.store.reads, found, self._events)
            sets, more = await self._asked(calls, found, secrets, saying)
            if saying.ids:
                await self._ctx.store.transact(SYSTEM, partial(said, found=found, due=saying))
            awaited = await self._take_all(found, sets)
            if awaited is not None:
                raise awaited
            # One that does not listen to acknowledgements is not asked in a circle.
            if not more and sets.keys() <= handled:
                return
            handled |= sets.keys()

    async def _asked(
        self, calls: Calls, found: Stream, secrets: dict[str, str], saying: Due
    ) -> tuple[dict[str, str], bool]:
        body: dict[str, Any] = {"maxEvents": self._events, "returnImmediately": True}
        if saying.acks:
            body["ack"] = saying.acks
        if saying.errs:
            body["setErrs"] = saying.errs
        url, token_url = found.endpoints["poll"], found.endpoints.get("token", "")
        answer = await calls.json("POST", url, secrets, token_url, body, MAX_BYTES)
        if answer.status in (429, 503):
            raise _Busy(answer, self._ctx.store.clock.now())
        told = read(answer, (200,), "events")
        sets = told.get("sets")
        listed = sets.items() if isinstance(sets, dict) else ()
        kept = {jti: raw for jti, raw in listed if isinstance(raw, str) and _usable(jti)}
        return kept, told.get("moreAvailable") is True

    async def _take_all(self, found: Stream, sets: dict[str, str]) -> KeysAwaited | None:
        """Take what is genuine, in the order in which it was issued; KeysAwaited when something has to come again."""
        events: list[SecEvent] = []
        awaited: KeysAwaited | None = None
        for jti, raw in sets.items():
            try:
                event = await genuine(self._ctx, found, raw.encode())
                if event.jti != jti:
                    raise SetRefused(
                        "invalid_request", "set-claim", "Its jti is not the one it is listed under."
                    )
                events.append(event)
            except SetRefused as error:
                await self._refuse(found, jti, error)
            except KeysAwaited as error:
                awaited = error
        actor = Actor("connection", found.connection_id, found.door, found.connection_id)
        for event in sorted(events, key=lambda one: one.at):
            try:
                taking = partial(take, found=found, event=event, react=self._react, ack=1)
                await self._ctx.store.transact(actor, taking)
            except SetRefused as error:
                await self._refuse(found, event.jti, error)
        return awaited

    async def _refuse(self, found: Stream, jti: str, error: SetRefused) -> None:
        """Have the transmitter told why, and audit it when it is the first time."""

        async def body(work: Work) -> int:
            work.bookkeeping("an event that is not taken")
            fresh = await work.tx.run(
                "INSERT INTO sb_ssf_set (connection_id, jti, digest, received, heard, err, description, ack)"
                " VALUES (?, ?, '', ?, 'refused', ?, ?, 1) ON CONFLICT (connection_id, jti) DO NOTHING",
                found.connection_id,
                jti,
                work.now,
                error.err,
                error.text()[:200],
            )
            if not fresh:
                await work.tx.run(
                    "UPDATE sb_ssf_set SET ack = 1 WHERE connection_id = ? AND jti = ?",
                    found.connection_id,
                    jti,
                )
            return fresh

        actor = Actor("connection", found.connection_id, found.door, found.connection_id)
        if await self._ctx.store.transact(SYSTEM, body) or error.code == "set-jti-reused":
            detail = {
                "door": found.door,
                "jti": jti,
                "code": error.code,
                "err": error.err,
                "reason": error.message,
            }
            await record_refusal(self._ctx.store, actor, "signal.refused", "signal", None, detail)
        log.warning("signal.refused", action="signal.refused", door=found.door, reason=error.code)


class _Busy(Exception):
    """The transmitter asks us to come later; `wait` in microseconds."""

    def __init__(self, answer: Answer, now: int) -> None:
        super().__init__(f"The transmitter answered {answer.status}.")
        asked = retry_after(answer.headers.get("retry-after", ""), now)
        self.wait = 0 if asked is None else int(asked * SECOND)


def _usable(jti: str) -> bool:
    return 0 < len(jti) <= LONGEST_ID and jti.isprintable()
