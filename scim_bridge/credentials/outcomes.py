"""What comes of a rotation's steps, each written in the transaction that settles its effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.credentials import rotation as rows
from scim_bridge.credentials.discarding import discard
from scim_bridge.credentials.policy import LEAK, STORE
from scim_bridge.credentials.rotation import Rotation, move, rotation_of
from scim_bridge.kernel.effects import Done, Effect
from scim_bridge.kernel.work import Work
from scim_bridge.registry.credentials import revoke_one
from scim_bridge.registry.keeper import CERTIFICATE, Issued

# What the inventory keeps of the public half of a credential that was made here.
KNOWN = ("kid", "thumbprint", "key", "stored_key", "stored_in", "serial", "signed_by")


Commit = Callable[[Work], Awaitable[Any]]


def done(commit: Commit, outcome: str) -> Done:
    """A step that is done: what came of it is written with the settling of its effect."""

    async def run(work: Work) -> None:
        await commit(work)

    return Done({"outcome": outcome}, run)


async def created(work: Work, of: Rotation, issued: Issued, sealed: bytes | None) -> None:
    """Write the new credential down and go on; when the rotation was called off, its undoing finds it."""
    row = of.row
    fresh_id = work.ids.new()
    moved = await move(
        work,
        of,
        rows.DELIVERING,
        sealed=sealed,
        fresh_id=fresh_id,
        fresh_reference=issued.reference,
        fresh_expires=issued.expires,
    )
    if not moved:
        return
    there: Any = await work.tx.one("SELECT name FROM sb_connection WHERE id = ?", row["connection_id"])
    known = {name: of.public[name] for name in KNOWN if name in of.public}
    await work.tx.run(
        "INSERT INTO sb_credential (id, agent_id, label, kind, system, reference, state, created, expires,"
        " connection_id, client_id, origin, public) VALUES (?, ?, ?, ?, ?, ?, 'active', ?, ?, ?, ?, 'rotation', ?)",
        fresh_id,
        row["agent_id"],
        of.label,
        row["kind"],
        there["name"],
        issued.reference,
        work.now,
        issued.expires,
        row["connection_id"],
        row["remote_id"],
        orjson.dumps(known).decode() if known else None,
    )
    detail = {"agent": row["agent_id"], "client": row["remote_id"], "reference": issued.reference}
    await record(
        work, "credential.issued", "credential", fresh_id, detail, connection_id=row["connection_id"]
    )


def kept_by(of: Rotation) -> dict[str, Any]:
    row = of.row
    names = ("agent_id", "kind", "connection_id")
    return {**{name: row[name] for name in names}, "client_id": row["remote_id"]}


async def state_of(work: Work, credential_id: str | None) -> str:
    row: Any = await work.tx.one("SELECT state FROM sb_credential WHERE id = ?", credential_id)
    return "" if row is None else str(row["state"])


async def missing(work: Work, of: Rotation, *, there: bool) -> None:
    """The new credential does not work at the end of the overlap: whose doing it is decides what follows."""
    if await state_of(work, of.row["fresh_id"]) not in ("active", "inactive"):
        await rows.go_back(work, of, "The new credential was revoked meanwhile.")
        return
    why = "The new credential is not there any more, so the old one stays: find out who took it away."
    if not there:
        await work.tx.run(
            "UPDATE sb_credential SET state = 'gone', revoked = ? WHERE id = ?", work.now, of.row["fresh_id"]
        )
    await move(work, of, rows.STUCK, note=why)


async def wait(work: Work, of: Rotation, opens: int) -> None:
    work.bookkeeping("a rotation waits for its window")
    await rows.go_on(
        work, of.id, of.row["connection_id"], of.row["remote_id"], of.state, max(0, opens - work.now)
    )


async def finished(work: Work, of: Rotation, references: list[str]) -> None:
    if not await move(work, of, rows.DONE, note=""):
        return
    for reference in references:
        gone: Any = await work.tx.one(
            "SELECT id, public FROM sb_credential WHERE connection_id = ? AND client_id = ? AND reference = ?",
            of.row["connection_id"],
            of.row["remote_id"],
            reference,
        )
        if gone is not None and gone["public"]:
            await discard(work, gone["id"], orjson.loads(gone["public"]))
        await work.tx.run(
            "UPDATE sb_credential SET state = 'revoked', revoked = ? WHERE connection_id = ? AND client_id = ?"
            " AND reference = ?",
            work.now,
            of.row["connection_id"],
            of.row["remote_id"],
            reference,
        )
    if of.row["old_id"] is not None:
        await record(work, "credential.revoked", "credential", of.row["old_id"], {"rotation": of.id})


async def _leave_nothing(work: Work, of: Rotation) -> None:
    """Have what stores keep of the new one taken away, also of one that was never written down."""
    known: dict[str, Any] = dict(of.public)
    if of.row["kind"] == CERTIFICATE and of.policy.key_in == STORE:
        known |= {"stored_key": of.label, "stored_in": of.policy.store}
    await discard(work, of.row["fresh_id"] or of.id, known)


async def unmade(work: Work, of: Rotation) -> None:
    left = "The new one is gone."
    if of.row["old_id"] is not None:
        left = f"The new one is gone, the old one {await _old_one(work, of)}."
    if not await move(work, of, rows.UNDONE, note=f"{of.row['note']} {left}".strip()):
        return
    await _leave_nothing(work, of)
    if of.row["fresh_id"] is not None:
        await work.tx.run(
            "UPDATE sb_credential SET state = 'revoked', revoked = ? WHERE id = ?",
            work.now,
            of.row["fresh_id"],
        )
        await record(work, "credential.revoked", "credential", of.row["fresh_id"], {"rotation": of.id})


async def _old_one(work: Work, of: Rotation) -> str:
    """What becomes of the old credential of a rotation that came to nothing, in words: one that leaked has to go."""
    if await state_of(work, of.row["old_id"]) not in ("active", "inactive"):
        return "was revoked, too"
    if of.row["cause"] != LEAK:
        return "stays"
    await revoke_one(
        work, of.row["old_id"], f"It leaked, and nothing could replace it: {of.row['reason']}"[:500]
    )
    return "leaked and is revoked without a replacement"


async def failed(work: Work, of: Rotation, why: str) -> None:
    """What a step that failed for good turns a rotation to."""
    if of.state == rows.PREPARING:
        old = "" if of.row["old_id"] is None else f", the old one {await _old_one(work, of)}"
        if await move(work, of, rows.REFUSED, note=f"{why} Nothing was made{old}."):
            await _leave_nothing(work, of)
    elif of.state in rows.FORWARD:
        await rows.go_back(work, of, why)
    else:
        await move(work, of, rows.STUCK, note=f"{why} {_left(of)}")


def _left(of: Rotation) -> str:
    """What is left to do, for a person."""
    new, old = of.row["fresh_reference"] or "the new one", of.row["old_reference"] or "none"
    if of.state in (rows.OVERLAPPING, rows.REVOKING):
        return f"New ({new}) and old ({old}) both work: the old one has to go."
    return f"The old one ({old}) works; the new one ({new}) may still be there and has to go."


async def settled(work: Work, effect: Effect, state: str, reason: str) -> None:
    """The settled hook: a step that was given up after all its attempts turns its rotation round."""
    if effect.kind != rows.CREDENTIAL_ROTATE or state != "dead":
        return
    row = await work.tx.one("SELECT * FROM sb_rotation WHERE id = ?", str(effect.payload["rotation_id"]))
    if row is not None and row["state"] == effect.payload["step"]:
        await failed(work, rotation_of(row), reason)
