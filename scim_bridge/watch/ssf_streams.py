"""Streams that receivers keep here: made, changed, stopped and started again, each change audited."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.registry.event_types import STREAM_UPDATED, VERIFICATION
from scim_bridge.watch.ssf_keys import ensure_key
from scim_bridge.watch.ssf_model import (
    DISABLED,
    ENABLED,
    MOST_STREAMS,
    PUSH,
    Asked,
    Stream,
    applied,
)
from scim_bridge.watch.ssf_outbox import enqueue_control, push_next

SELECT = (
    "SELECT id, owner, description, method, endpoint, audiences, events, form, status, reason, cursor, position,"
    " round, default_subjects, created, verified, delivered, delivered_at FROM sb_tx_stream"
)
UNKNOWN = "There is no such stream."


def stream_of(row: Any) -> Stream:
    """A row of sb_tx_stream as a value."""
    return Stream(
        row["id"],
        row["owner"],
        row["description"],
        row["method"],
        row["endpoint"],
        tuple(orjson.loads(row["audiences"])),
        tuple(orjson.loads(row["events"])),
        row["form"],
        row["status"],
        row["reason"],
        row["cursor"],
        row["position"],
        row["round"],
        row["default_subjects"],
        row["created"],
        row["verified"],
        row["delivered"],
        row["delivered_at"],
    )


async def streams(reader: Reader, owner: str | None = None) -> list[Stream]:
    """Every stream, or those of one owner, oldest first."""
    if owner is None:
        return [stream_of(row) for row in await reader.all(f"{SELECT} ORDER BY created, id")]
    return [
        stream_of(row) for row in await reader.all(f"{SELECT} WHERE owner = ? ORDER BY created, id", owner)
    ]


async def stream(reader: Reader, stream_id: str, owner: str | None = None) -> Stream:
    """A stream by its id; NotFound when there is none, or it is somebody else's: which one is not said."""
    row = await reader.one(f"{SELECT} WHERE id = ?", stream_id)
    if row is None or (owner is not None and row["owner"] != owner):
        raise NotFound("stream-unknown", UNKNOWN, "List yours: GET on the configuration endpoint.")
    return stream_of(row)


async def create(
    work: Work, ctx: Context, asked: Asked, owner: str, default_subjects: str, audiences: tuple[str, ...] = ()
) -> Stream:
    """A new stream, which tells of what happens from now on; Conflict when its owner has too many."""
    known = await streams(work.tx, owner)
    if len(known) >= MOST_STREAMS:
        raise Conflict("streams-many", f"There are {MOST_STREAMS} streams already.", "Delete one first.")
    await ensure_key(work, ctx.master)
    made = applied(Stream(work.ids.new()), asked)
    tip = await work.tx.one("SELECT MAX(seq) AS last FROM sb_audit WHERE seq IS NOT NULL")
    await work.tx.run(
        "INSERT INTO sb_tx_stream (id, owner, description, method, endpoint, secrets, audiences, events, form, status,"
        " reason, cursor, position, round, default_subjects, created, delivered)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, 0, 0, ?, ?, 0)",
        made.id,
        owner,
        made.description,
        made.method,
        made.endpoint,
        _sealed(ctx.master, made.id, asked.authorization),
        orjson.dumps(list(audiences or (audience_of(made, ctx.public_url),))).decode(),
        orjson.dumps(list(made.requested)).decode(),
        made.form,
        ENABLED,
        (tip["last"] or 0) if tip is not None else 0,
        default_subjects,
        work.now,
    )
    detail = {"method": made.method, "endpoint": _shown(made.endpoint), "events": list(made.told)}
    await record(work, "transmitter.stream_created", "stream", made.id, detail, connection_id=owner or None)
    return await stream(work.tx, made.id)


def audience_of(made: Stream, public_url: str) -> str:
    """Whom its events are for: this stream's receiver and nobody else."""
    return f"{public_url}/ssf/streams/{made.id}"


def _sealed(master: MasterKey, stream_id: str, authorization: str | None) -> bytes | None:
    if not authorization:
        return None
    return master.seal(f"sb_tx_stream:{stream_id}:secrets", authorization.encode())


async def authorization_of(reader: Reader, master: MasterKey, stream_id: str) -> str:
    """The header its receiver wants; empty for none."""
    row = await reader.one("SELECT secrets FROM sb_tx_stream WHERE id = ?", stream_id)
    if row is None or row["secrets"] is None:
        return ""
    return master.unseal(f"sb_tx_stream:{stream_id}:secrets", bytes(row["secrets"])).decode()


async def change(work: Work, ctx: Context, before: Stream, asked: Asked, *, whole: bool) -> Stream:
    """The stream as its receiver wants it now (PATCH, or PUT with `whole`)."""
    after = applied(before, asked, whole=whole)
    keeps = asked.authorization is None and asked.endpoint is None and not whole
    await work.tx.run(
        # Another round: what was skipped because of how the stream was is sent by how it is now.
        "UPDATE sb_tx_stream SET description = ?, method = ?, endpoint = ?, events = ?, form = ?, round = round + 1"
        " WHERE id = ?",
        after.description,
        after.method,
        after.endpoint,
        orjson.dumps(list(after.requested)).decode(),
        after.form,
        after.id,
    )
    if not keeps:
        # A header is for the address it was given with: it never goes to another one.
        await work.tx.run(
            "UPDATE sb_tx_stream SET secrets = ? WHERE id = ?",
            _sealed(ctx.master, after.id, asked.authorization),
            after.id,
        )
    detail = {"method": after.method, "endpoint": _shown(after.endpoint), "events": list(after.told)}
    await record(
        work, "transmitter.stream_changed", "stream", after.id, detail, connection_id=after.owner or None
    )
    found = await stream(work.tx, after.id)
    if found.method == PUSH and found.status == ENABLED:
        await push_next(work, found)
    return found


async def set_status(
    work: Work, issuer: str, before: Stream, status: str, reason: str, *, by_receiver: bool
) -> Stream:
    """Pause (what happens waits), disable (what happens is not told) or enable a stream.

    A receiver that did it itself need not be told; of our own doing it is told by stream-updated.
    """
    found = await stream(work.tx, before.id)
    if status == found.status:
        work.bookkeeping("the stream is already so")
        return found
    if status == DISABLED:
        await work.tx.run("DELETE FROM sb_tx_set WHERE stream_id = ? AND state = 'queued'", found.id)
    skipped = found.status == DISABLED
    tip = await work.tx.one("SELECT MAX(seq) AS last FROM sb_audit WHERE seq IS NOT NULL")
    cursor = (tip["last"] or 0) if skipped and tip is not None else found.cursor
    await work.tx.run(
        "UPDATE sb_tx_stream SET status = ?, reason = ?, round = round + 1, cursor = ? WHERE id = ?",
        status,
        reason[:200],
        cursor,
        found.id,
    )
    detail = {"status": status, "reason": reason, "before": found.status}
    await record(
        work, "transmitter.stream_status", "stream", found.id, detail, connection_id=found.owner or None
    )
    after = await stream(work.tx, found.id)
    if not by_receiver:
        said = {"status": status, **({"reason": reason} if reason else {})}
        await enqueue_control(work, issuer, after, STREAM_UPDATED, said)
    if status == ENABLED and after.method == PUSH:
        await push_next(work, after)
    return after


async def verify(work: Work, issuer: str, found: Stream, state: str | None) -> None:
    """Send a verification event with the receiver's state (SSF 1.0 section 8.1.4)."""
    await work.tx.run("UPDATE sb_tx_stream SET verified = ? WHERE id = ?", work.now, found.id)
    await enqueue_control(work, issuer, found, VERIFICATION, {} if state is None else {"state": state})
    await record(
        work, "transmitter.stream_verified", "stream", found.id, {}, connection_id=found.owner or None
    )


async def delete(work: Work, found: Stream) -> None:
    """End a stream with all that waits for it."""
    for table, column in (("sb_tx_set", "stream_id"), ("sb_tx_subject", "stream_id"), ("sb_tx_stream", "id")):
        await work.tx.run(f"DELETE FROM {table} WHERE {column} = ?", found.id)
    await record(
        work, "transmitter.stream_deleted", "stream", found.id, {}, connection_id=found.owner or None
    )


async def include(work: Work, found: Stream, agent_id: str, *, included: bool) -> None:
    """Tell of this agent on the stream, or not, whatever is told of others (SSF 1.0 section 8.1.3)."""
    await work.tx.run(
        "INSERT INTO sb_tx_subject (stream_id, agent_id, included) VALUES (?, ?, ?)"
        " ON CONFLICT (stream_id, agent_id) DO UPDATE SET included = excluded.included",
        found.id,
        agent_id,
        int(included),
    )
    detail = {"stream": found.id, "included": included}
    await record(work, "transmitter.subject", "agent", agent_id, detail, connection_id=found.owner or None)


async def waiting(reader: Reader, stream_id: str) -> dict[str, int]:
    """How many SETs wait for a stream, and how many its receiver refused."""
    rows = await reader.all(
        "SELECT state, COUNT(*) AS n FROM sb_tx_set WHERE stream_id = ? GROUP BY state", stream_id
    )
    found = {row["state"]: row["n"] for row in rows}
    return {"queued": found.get("queued", 0), "refused": found.get("refused", 0)}


def _shown(endpoint: str) -> str:
    """An address without its query, which may hold a secret."""
    return urlsplit(endpoint)._replace(query="").geturl() if endpoint else ""
