"""Transmitters' signing keys: fetched by a periodic duty, never in a request, and kept through an outage."""

from __future__ import annotations

import orjson
import structlog

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, HOUR, MINUTE, SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, Invalid
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.signals.doors import end_trouble, note_trouble
from scim_bridge.signals.secevent import Key, SetRefused, usable_keys
from scim_bridge.signals.streams import SELECT, Stream, stream_of
from scim_bridge.signals.way_out import way_out

log = structlog.get_logger("scim_bridge.signals")

# A key the transmitter took back is believed for an hour at most, and for three days while it cannot be asked.
REFRESH = HOUR
KEEP_IN_OUTAGE = 3 * DAY
ASK_AGAIN = MINUTE
# How far behind ours a transmitter's clock may be before its newest key is taken for one it never had.
CLOCKS = 30 * SECOND
LEASE = MINUTE
FIRST_PAUSE = 5 * SECOND
LONGEST_PAUSE = 10 * MINUTE
COME_AGAIN = 5
MAX_BYTES = 262_144
TROUBLE = "Keys: "


class KeysAwaited(BridgeError):
    """Nobody can tell yet whether the signature is right: the same again, a little later."""

    status = 503


async def key_for(ctx: Context, found: Stream, kid: str, issued: int) -> Key:
    """The key with this id: SetRefused when the transmitter has none, KeysAwaited when that is being asked.

    `issued` is when the SET says it was made. Keys fetched before that cannot say that its key is none: it may
    be new, and a refusal is final (RFC 8935 section 2.3).
    """
    now = ctx.store.clock.now()
    age = None if found.keys_fetched is None else now - found.keys_fetched
    if kid in found.keys and age is not None and age <= KEEP_IN_OUTAGE:
        return found.keys[kid]
    fetched = found.keys_fetched or 0
    if age is not None and age < ASK_AGAIN and fetched >= issued + CLOCKS and not found.keys_failures:
        raise SetRefused("invalid_key", "set-key", "It is signed with a key its issuer does not publish.")
    if found.keys_next > now and not found.keys_failures:
        await _ask(ctx, found)
    raise KeysAwaited(
        "keys-awaited", "The issuer's keys are being fetched.", "Send the same again.", retry_after=COME_AGAIN
    )


async def _ask(ctx: Context, found: Stream) -> None:
    async def body(work: Work) -> None:
        work.bookkeeping("keys are wanted")
        # Whoever sends unknown keys has the transmitter asked once a minute at most.
        due = max(work.now, (found.keys_fetched or 0) + ASK_AGAIN)
        await work.tx.run(
            "UPDATE sb_ssf_stream SET keys_next = ? WHERE connection_id = ? AND keys_next > ?"
            " AND keys_failures = 0 AND (keys_fetched IS NULL OR keys_fetched = ?)",
            due,
            found.connection_id,
            due,
            found.keys_fetched,
        )

    await ctx.store.transact(SYSTEM, body)


async def refresh(ctx: Context) -> int:
    """Fetch the keys that are due; how many transmitters were asked. Of several replicas one asks each."""
    rows = await ctx.store.reads.all(
        f"{SELECT} WHERE s.keys_next <= ? ORDER BY s.keys_next LIMIT 20", ctx.store.clock.now()
    )
    return sum([await _refreshed(ctx, stream_of(row)) for row in rows])


async def _refreshed(ctx: Context, found: Stream) -> bool:
    async def lease(work: Work) -> int:
        work.bookkeeping("a fetch of keys begins")
        return await work.tx.run(
            "UPDATE sb_ssf_stream SET keys_next = ? WHERE connection_id = ? AND keys_next = ?",
            work.now + LEASE,
            found.connection_id,
            found.keys_next,
        )

    if not await ctx.store.transact(SYSTEM, lease):
        return False
    try:
        keys = await _fetched(ctx, found)
    except BridgeError as error:
        reason = error.text()
        await ctx.store.transact(SYSTEM, lambda work: _failed(work, found, reason))
        log.warning("ssf.keys_failed", action="ssf.keys_failed", door=found.door, reason=reason)
    else:
        await ctx.store.transact(SYSTEM, lambda work: _keep(work, found, keys))
    return True


async def _fetched(ctx: Context, found: Stream) -> dict[str, dict[str, str]]:
    async with way_out(ctx, found.ca_file) as outbound:
        answer = await outbound.send(
            "GET", found.endpoints["keys"], headers={"accept": "application/json"}, max_bytes=MAX_BYTES
        )
    if answer.status != 200:
        raise Invalid("keys-answer", f"The transmitter answered {answer.status} instead of its keys.")
    return usable_keys(answer.body, found.algorithm)


async def _keep(work: Work, found: Stream, keys: dict[str, dict[str, str]]) -> None:
    await work.tx.run(
        "UPDATE sb_ssf_stream SET keys = ?, keys_fetched = ?, keys_next = ?, keys_failures = 0, keys_error = ''"
        " WHERE connection_id = ? AND issuer = ?",
        orjson.dumps(keys).decode(),
        work.now,
        work.now + REFRESH,
        found.connection_id,
        found.issuer,
    )
    await end_trouble(work, found.door, TROUBLE)
    if keys == found.keys:
        work.bookkeeping("keys were fetched")
        return
    added, gone = sorted(keys.keys() - found.keys.keys()), sorted(found.keys.keys() - keys.keys())
    replaced = sorted(kid for kid in keys.keys() & found.keys.keys() if keys[kid] != found.keys[kid])
    detail = {"url": found.endpoints["keys"], "added": added, "removed": gone, "replaced": replaced}
    await record(
        work,
        "stream.keys_changed",
        "connection",
        found.connection_id,
        detail,
        connection_id=found.connection_id,
    )


async def _failed(work: Work, found: Stream, reason: str) -> None:
    work.bookkeeping("keys could not be fetched")
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(found.keys_failures, 20))
    await work.tx.run(
        "UPDATE sb_ssf_stream SET keys_failures = keys_failures + 1, keys_next = ?, keys_error = ?"
        " WHERE connection_id = ?",
        work.now + pause,
        reason[:300],
        found.connection_id,
    )
    await note_trouble(work, found.door, found.kind, f"{TROUBLE}{reason}", connection_id=found.connection_id)
