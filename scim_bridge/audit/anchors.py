"""Anchors: signed checkpoints kept where nobody who can change this database can change them, too.

Who holds one can tell for ever whether the chain still goes through it (`audit verify --anchor`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson

from scim_bridge.kernel.appended import append
from scim_bridge.kernel.clock import MINUTE, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.effects import Dead, Done, Effect, Handler, Outcome, Retry
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.kernel.webhook import deliver, retry_after
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.settings.audit import FILE, WEBHOOK, AnchorSettings, AuditSettings

KIND = "audit.anchor"
PASSING = (408, 409, 425, 429)


def duty(ctx: Context, settings: AuditSettings) -> Callable[[], Awaitable[int]]:
    """What is done every few seconds: the newest checkpoint goes to each anchor that is due; how many."""

    async def anchor() -> int:
        return sum([await _one(ctx, name, settings.anchor_minutes) for name in settings.anchors])

    return anchor


async def _one(ctx: Context, name: str, minutes: int) -> bool:
    newest = await newest_checkpoint(ctx.store.reads)
    row = await ctx.store.reads.one("SELECT last_seq, at FROM sb_audit_anchor WHERE name = ?", name)
    if newest is None or (row is not None and not _due(row, newest, ctx.store.clock.now(), minutes)):
        return False

    async def write(work: Work) -> bool:
        work.bookkeeping("a checkpoint is anchored outside")
        moved = await work.tx.run(
            "INSERT INTO sb_audit_anchor (name, last_seq, at, confirmed) VALUES (?, ?, ?, 0)"
            " ON CONFLICT (name) DO UPDATE SET last_seq = excluded.last_seq, at = excluded.at"
            " WHERE sb_audit_anchor.last_seq < excluded.last_seq",
            name,
            newest["last_seq"],
            work.now,
        )
        if moved:
            await work.effect(
                KIND, {"anchor": name, **newest}, lane=f"{KIND}:{name}", key=f"{name}:{newest['last_seq']}"
            )
        return bool(moved)

    return await ctx.store.transact(SYSTEM, write)


def _due(row: Any, newest: Mapping[str, Any], now: int, minutes: int) -> bool:
    return bool(newest["last_seq"] > row["last_seq"] and now >= row["at"] + minutes * MINUTE)


async def newest_checkpoint(reader: Reader) -> dict[str, Any] | None:
    """The last checkpoint as it is anchored: {last_seq, last_hash, root, at, statement}."""
    row = await reader.one(
        "SELECT last_seq, last_hash, root, at, statement FROM sb_checkpoint ORDER BY last_seq DESC LIMIT 1"
    )
    if row is None:
        return None
    said = {name: row[name] for name in ("last_seq", "last_hash", "root", "statement")}
    return {**said, "at": iso(row["at"])}


def handlers(ctx: Context, settings: AuditSettings) -> dict[str, Handler]:
    """Who performs audit.anchor."""

    async def anchor(effect: Effect) -> Outcome:
        name = str(effect.payload["anchor"])
        chosen = settings.anchors.get(name)
        if chosen is None:
            return Dead(f"there is no anchor named {name!r} in the settings any more")
        said = {key: value for key, value in effect.payload.items() if key != "anchor"}
        outcome = await _written(ctx, chosen, effect, said)
        if not isinstance(outcome, Done):
            return outcome
        return Done(outcome.result, lambda work: _confirmed(work, name, said["last_seq"]))

    return {KIND: anchor}


async def _confirmed(work: Work, name: str, seq: int) -> None:
    await work.tx.run(
        "UPDATE sb_audit_anchor SET confirmed = ? WHERE name = ? AND confirmed < ?", seq, name, seq
    )


async def _written(ctx: Context, anchor: AnchorSettings, effect: Effect, said: Mapping[str, Any]) -> Outcome:
    body = orjson.dumps(said)
    if anchor.kind == FILE:
        return await asyncio.to_thread(_append, Path(anchor.to), body)
    now = ctx.store.clock.now()
    if anchor.kind == WEBHOOK:
        message = orjson.dumps({"type": "audit.checkpoint", "timestamp": said["at"], "data": said})
        return await deliver(
            ctx.outbound, anchor.to, anchor.secret, effect.id, now, message, to="the anchor's webhook"
        )
    return await _put(ctx.outbound, anchor, said["last_seq"], body, now)


def _append(file: Path, body: bytes) -> Outcome:
    try:
        append(file, body + b"\n")
    except OSError as error:
        return Retry(f"{file} cannot be written ({error.strerror})")
    return Done({"file": str(file)})


def object_url(base: str, seq: int) -> str:
    """Where a checkpoint's object is: below the anchor's address, which may carry a query (a signed address)."""
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/checkpoint-{seq:012d}.json"))


async def _put(outbound: Outbound, anchor: AnchorSettings, seq: int, body: bytes, now: int) -> Outcome:
    headers = {**anchor.headers, "content-type": "application/json"}
    if anchor.authorization:
        headers["authorization"] = anchor.authorization
    try:
        answer = await outbound.send("PUT", object_url(anchor.to, seq), headers=headers, body=body, cut=True)
    except OutboundError as error:
        reason = f"the object store: {error.text()}"
        return Retry(reason) if error.transient else Dead(reason)
    if 200 <= answer.status < 300:
        return Done({"status": answer.status})
    reason = f"the object store answered {answer.status}"
    if answer.status >= 500 or answer.status in PASSING:
        return Retry(reason, retry_after(answer.headers.get("retry-after", ""), now))
    return Dead(f"{reason}, which will not change by asking again")


async def anchored(reader: Reader, settings: AuditSettings) -> list[dict[str, Any]]:
    """How far each anchor of the settings is: the last row it vouches for, and the last that was confirmed."""
    rows = {row["name"]: row for row in await reader.all("SELECT * FROM sb_audit_anchor")}
    found = []
    for name in sorted(settings.anchors):
        row, kind = rows.get(name), settings.anchors[name].kind
        known = (0, None, 0) if row is None else (row["last_seq"], row["at"], row["confirmed"])
        found.append({"name": name, "kind": kind, "last": known[0], "at": known[1], "confirmed": known[2]})
    return found
