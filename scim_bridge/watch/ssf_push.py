"""Pushing SETs to receivers (RFC 8935): one at a time for each stream, in order, until each is acknowledged."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Dead, Done, Effect, Handler, Outcome, Retry
from scim_bridge.kernel.outbound import Answer
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.kernel.webhook import retry_after
from scim_bridge.kernel.work import Work
from scim_bridge.registry.event_types import SET_MEDIA, SSF
from scim_bridge.watch.ssf_keys import Signer, signed
from scim_bridge.watch.ssf_model import ENABLED, PAUSED, PUSH, Stream
from scim_bridge.watch.ssf_outbox import KIND, push_next
from scim_bridge.watch.ssf_streams import SELECT, authorization_of, stream_of

REFUSED = "the receiver refused the event: "
PASSING = (401, 403, 408, 409, 425, 429)
# What a receiver says against the stream and not against one event (RFC 8935 section 2.4, SSF 1.0).
ABOUT_THE_STREAM = (
    "invalid_key",
    "invalid_issuer",
    "invalid_audience",
    "authentication_failed",
    "access_denied",
    "invalid_state",
)
LONGEST = 300


def handlers(ctx: Context) -> dict[str, Handler]:
    """Who performs ssf.push.

    202 (or any 2xx) is the acknowledgment. 400 against this event makes it dead, and the next one follows; 400
    against the stream, an address that is wrong, or a receiver away for longer than all attempts pauses the
    stream: what waits stays, in order, until somebody enables it again.
    """
    signer = Signer(ctx.master)

    async def push(effect: Effect) -> Outcome:
        found, row = await _loaded(ctx, effect)
        if found is None or row is None:
            return Done({"skipped": "the stream or the event is gone"})
        control = str(row["event"]).startswith(SSF)
        if found.method != PUSH or (found.status != ENABLED and not control):
            return Done({"skipped": f"the stream is {found.status}"})
        try:
            key = await signer.ready(ctx.store.reads, ctx.store.clock.now())
        except LookupError as error:
            return Dead(str(error))
        token = await asyncio.to_thread(signed, key, row["claims"])
        headers = {"content-type": SET_MEDIA, "accept": "application/json"}
        authorization = await authorization_of(ctx.store.reads, ctx.master, found.id)
        if authorization:
            headers["authorization"] = authorization
        try:
            answer = await ctx.outbound.send(
                "POST", found.endpoint, headers=headers, body=token.encode(), cut=True
            )
        except OutboundError as error:
            return Retry(error.text()) if error.transient else Dead(error.text())
        return _judged(ctx, found, effect.payload["jti"], answer)

    return {KIND: push}


async def given_up(work: Work, effect_id: str, reason: str) -> None:
    """An admin dropped this effect: when it is a push, its event counts as refused, and the next one follows.

    Without that the stream would send the same event first whenever it is resumed.
    """
    row = await work.tx.one("SELECT kind, payload FROM sb_effect WHERE id = ?", effect_id)
    if row is None or row["kind"] != KIND:
        return
    said = orjson.loads(row["payload"])
    await refuse(work, said["stream_id"], said["jti"], "dropped", reason)
    await _next(work, said["stream_id"])


async def _loaded(ctx: Context, effect: Effect) -> tuple[Stream | None, Any]:
    reads = ctx.store.reads
    stream_id, jti = effect.payload["stream_id"], effect.payload["jti"]
    row = await reads.one(f"{SELECT} WHERE id = ?", stream_id)
    waits = await reads.one(
        "SELECT event, claims FROM sb_tx_set WHERE stream_id = ? AND jti = ?", stream_id, jti
    )
    return (None if row is None else stream_of(row)), waits


def _judged(ctx: Context, found: Stream, jti: str, answer: Answer) -> Outcome:
    if 200 <= answer.status < 300:
        return Done({"status": answer.status}, lambda work: _delivered(work, found.id, jti))
    if answer.status == 400:
        err, description = read_error(answer.body)
        if err in ABOUT_THE_STREAM:
            return Dead(f"the receiver refuses the stream: {err} {description}".strip())
        return Dead(f"{REFUSED}{err} {description}".strip())
    reason = f"the receiver answered {answer.status}"
    if answer.status >= 500 or answer.status in PASSING:
        wait = retry_after(answer.headers.get("retry-after", ""), ctx.store.clock.now())
        return Retry(reason, wait, asked=answer.status == 429)
    return Dead(f"{reason}, which will not change by asking again")


def read_error(body: bytes) -> tuple[str, str]:
    """(err, description) of a refusal, as text that harms nobody who reads it."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        return "invalid_request", ""
    texts = (said.get("err"), said.get("description"))
    err, description = (
        "".join(c for c in one if c.isprintable())[:LONGEST] if isinstance(one, str) else "" for one in texts
    )
    return err or "invalid_request", description


async def _delivered(work: Work, stream_id: str, jti: str) -> None:
    """The receiver has it: it is forgotten here, and the next one goes on its way."""
    await acknowledge(work, stream_id, [jti])
    await _next(work, stream_id)


async def acknowledge(work: Work, stream_id: str, jtis: list[str]) -> int:
    """Forget SETs that their receiver has; how many there were."""
    gone = 0
    for jti in jtis:
        gone += await work.tx.run("DELETE FROM sb_tx_set WHERE stream_id = ? AND jti = ?", stream_id, jti)
    if gone:
        await work.tx.run(
            "UPDATE sb_tx_stream SET delivered = delivered + ?, delivered_at = ? WHERE id = ?",
            gone,
            work.now,
            stream_id,
        )
    return gone


async def refuse(work: Work, stream_id: str, jti: str, err: str, description: str) -> int:
    """Keep that a receiver does not take an event; 0 when there is no such."""
    return await work.tx.run(
        "UPDATE sb_tx_set SET state = 'refused', err = ?, description = ? WHERE stream_id = ? AND jti = ?",
        err[:LONGEST],
        description[:LONGEST],
        stream_id,
        jti,
    )


async def _next(work: Work, stream_id: str) -> None:
    row = await work.tx.one(f"{SELECT} WHERE id = ?", stream_id)
    if row is not None:
        await push_next(work, stream_of(row))


async def settled(work: Work, effect: Effect, state: str, reason: str) -> None:
    """The settled hook of the effect engine: what a push that failed for good does to its stream."""
    if effect.kind != KIND or state != "dead":
        return
    stream_id, jti = effect.payload["stream_id"], effect.payload["jti"]
    if reason.startswith(REFUSED):
        err, _, description = reason.removeprefix(REFUSED).partition(" ")
        await refuse(work, stream_id, jti, err, description)
        await _next(work, stream_id)
        return
    paused = await work.tx.run(
        "UPDATE sb_tx_stream SET status = ?, reason = ? WHERE id = ? AND status = ?",
        PAUSED,
        reason[:200],
        stream_id,
        ENABLED,
    )
    if paused:
        detail = {"status": PAUSED, "reason": reason, "before": ENABLED}
        await record(work, "transmitter.stream_status", "stream", stream_id, detail, outcome="failed")
