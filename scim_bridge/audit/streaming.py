"""Streams of the audit: each sink gets every sealed row in order, at least once, and goes on where it stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from scim_bridge.audit.export import ANY_BEHIND, ROWS_BEHIND, decoded
from scim_bridge.audit.record import record
from scim_bridge.audit.seal import seal
from scim_bridge.audit.transports import NotTaken, deliver
from scim_bridge.kernel.clock import MINUTE, SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import BridgeError, NotFound, Refused
from scim_bridge.kernel.work import SYSTEM, Actor, Work
from scim_bridge.settings.audit import NOW, AuditSettings, SinkSettings

log = structlog.get_logger("scim_bridge.audit")

BATCH = 500
# So many batches one turn sends before others have theirs.
TURN = 20
LEASE = MINUTE
FIRST_PAUSE = SECOND
LONGEST_PAUSE = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a sink is. `cursor` is the last row it has, `behind` how many it lacks."""

    name: str
    cursor: int
    behind: int
    sent: int
    acknowledged: int | None
    failures: int
    error: str
    next_at: int


def duty(ctx: Context, settings: AuditSettings) -> Callable[[], Awaitable[int]]:
    """What is done every second: each sink that is due gets what it lacks; how many rows were sent."""

    async def send() -> int:
        sent = 0
        for name, sink in settings.sinks.items():
            sent += await serve(ctx, name, sink)
        return sent

    return send


async def serve(ctx: Context, name: str, sink: SinkSettings) -> int:
    """Send one sink what it lacks, when it is due and nobody else does; how many rows it took."""
    due = await _due(ctx, name, sink)
    if due is None:
        return 0
    cursor, failures, took = due[0], due[1], 0
    for _ in range(TURN):
        try:
            rows = await _behind(ctx, cursor)
            if not rows:
                break
            await deliver(ctx.outbound, sink, rows)
        except (NotTaken, Refused) as error:
            await ctx.store.transact(SYSTEM, partial(_failed, name=name, failures=failures, error=error))
            return took
        cursor, failures = rows[-1]["seq"], 0
        took += len(rows)
        await ctx.store.transact(SYSTEM, partial(_taken, name=name, rows=rows))
        if len(rows) < BATCH:
            break
    await ctx.store.transact(SYSTEM, lambda work: _rest(work, name))
    return took


async def _behind(ctx: Context, cursor: int) -> list[Any]:
    """The next rows; Refused names one that holds what is no text."""
    async with decoded(ctx.store.reads):
        return list(await ctx.store.reads.all(ROWS_BEHIND, cursor, BATCH))


async def _due(ctx: Context, name: str, sink: SinkSettings) -> tuple[int, int] | None:
    """(cursor, failures) of a sink that is due, taken for this process; nothing is written when nothing is new."""
    now = ctx.store.clock.now()
    row = await ctx.store.reads.one(
        "SELECT cursor, failures, next_at FROM sb_audit_sink WHERE name = ?", name
    )
    if row is None:
        await ctx.store.transact(SYSTEM, lambda work: _begin(work, name, sink))
        row = await ctx.store.reads.one(
            "SELECT cursor, failures, next_at FROM sb_audit_sink WHERE name = ?", name
        )
    if row is None or row["next_at"] > now:
        return None
    if not await ctx.store.reads.all(ANY_BEHIND, row["cursor"]):
        return None

    async def lease(work: Work) -> int:
        work.bookkeeping("a stream of the audit is served")
        return await work.tx.run(
            "UPDATE sb_audit_sink SET next_at = ? WHERE name = ? AND next_at = ?",
            work.now + LEASE,
            name,
            row["next_at"],
        )

    return (row["cursor"], row["failures"]) if await ctx.store.transact(SYSTEM, lease) else None


async def _begin(work: Work, name: str, sink: SinkSettings) -> None:
    work.bookkeeping("a stream of the audit begins")
    tip = await work.tx.one("SELECT MAX(seq) AS last FROM sb_audit WHERE seq IS NOT NULL")
    last = (tip["last"] or 0) if tip is not None and sink.begin == NOW else 0
    await work.tx.run(
        "INSERT INTO sb_audit_sink (name, cursor, sent, failures, error, next_at) VALUES (?, ?, 0, 0, '', 0)"
        " ON CONFLICT (name) DO NOTHING",
        name,
        last,
    )


async def _taken(work: Work, name: str, rows: list[Mapping[str, Any]]) -> None:
    work.bookkeeping("a stream of the audit went on")
    await work.tx.run(
        "UPDATE sb_audit_sink SET cursor = ?, sent = sent + ?, acknowledged = ?, failures = 0, error = '',"
        " next_at = ? WHERE name = ? AND cursor < ?",
        rows[-1]["seq"],
        len(rows),
        work.now,
        work.now + LEASE,
        name,
        rows[-1]["seq"],
    )


async def _rest(work: Work, name: str) -> None:
    work.bookkeeping("a stream of the audit was served")
    await work.tx.run("UPDATE sb_audit_sink SET next_at = ? WHERE name = ?", work.now, name)


async def _failed(work: Work, name: str, failures: int, error: BridgeError) -> None:
    work.bookkeeping("a stream of the audit was not taken")
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures, 20))
    await work.tx.run(
        "UPDATE sb_audit_sink SET failures = ?, error = ?, next_at = ? WHERE name = ?",
        failures + 1,
        error.text()[:500],
        work.now + pause,
        name,
    )
    log.warning("audit.sink_failed", action="audit.sink_failed", sink=name, reason=error.message)


async def standings(reader: Reader, settings: AuditSettings) -> list[Standing]:
    """How far each sink of the settings is, by name."""
    rows = {row["name"]: row for row in await reader.all("SELECT * FROM sb_audit_sink")}
    tip = await reader.one("SELECT MAX(seq) AS last FROM sb_audit WHERE seq IS NOT NULL")
    last = (tip["last"] or 0) if tip is not None else 0
    found = []
    for name in sorted(settings.sinks):
        row = rows.get(name)
        if row is None:
            found.append(Standing(name, 0, last, 0, None, 0, "", 0))
            continue
        behind = last - row["cursor"]
        found.append(
            Standing(
                name,
                row["cursor"],
                behind,
                row["sent"],
                row["acknowledged"],
                row["failures"],
                row["error"],
                row["next_at"],
            )
        )
    return found


def sink_named(settings: AuditSettings, name: str) -> SinkSettings:
    """The sink of the settings with this name; NotFound otherwise."""
    if name not in settings.sinks:
        raise NotFound(
            "sink-unknown", f"There is no sink named {name!r}.", f"Add [audit.sinks.{name}] to the settings."
        )
    return settings.sinks[name]


async def try_out(ctx: Context, actor: Actor, name: str, sink: SinkSettings) -> int:
    """Write a row about this test and hand it to the sink now; its seq. NotTaken says what is wrong.

    The stream's place does not move: the row comes once more in its turn.
    """
    row_id = await ctx.store.transact(
        actor,
        lambda work: record(
            work, "audit.stream_tested", "sink", name, {"kind": sink.kind, "form": sink.form}
        ),
    )
    await seal(ctx.store, ctx.master)
    rows: list[Any] = list(
        await ctx.store.reads.all("SELECT * FROM sb_audit WHERE id = ? AND seq IS NOT NULL", row_id)
    )
    await deliver(ctx.outbound, sink, rows)
    return int(rows[0]["seq"])
