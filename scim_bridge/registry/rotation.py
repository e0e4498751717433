"""Rotating a token with overlap: the new one works at once, the old one until whoever uses it has changed."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, SECOND, iso
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.errors import Conflict, Invalid, NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.registry.tokens import add_token

LONGEST_OVERLAP = 90 * DAY


@dataclass(frozen=True, slots=True)
class Rotated:
    """The new token (seen only now) and until when the old one still works."""

    id: str
    token: str
    expires: int | None
    old_id: str
    old_expires: int


def checked_overlap(overlap: int) -> int:
    """An overlap in microseconds when it is one between none and 90 days; Invalid otherwise."""
    if not 0 <= overlap <= LONGEST_OVERLAP:
        raise Invalid("overlap", "The overlap must be between 0 and 90 days.", "Write for example 7d or 12h.")
    return overlap


async def rotate_token(
    work: Work, master: MasterKey, token_id: str, *, overlap: int, days: int | None = None
) -> Rotated:
    """Make a token that grants the same, and let the old one end after `overlap` microseconds.

    The new one lives as long as the old one was made for, or `days`. An old one that expires sooner than
    the overlap is not prolonged. NotFound for a token that is not live, Conflict for one rotated before.
    """
    checked_overlap(overlap)
    old = await work.tx.one(
        "SELECT id, connection_id, label, scopes, created, expires, successor FROM sb_token WHERE id = ?"
        " AND client_id IS NULL AND revoked IS NULL AND (expires IS NULL OR expires > ?)"
        + work.tx.for_update,
        token_id,
        work.now,
    )
    if old is None:
        raise NotFound(
            "token-unknown", f"There is no live token {token_id!r}.", "See `scim-bridge tokens list`."
        )
    if old["successor"] is not None:
        raise Conflict(
            "token-rotated", f"Token {token_id!r} was rotated already.", f"Rotate {old['successor']} instead."
        )
    if days is not None and not 1 <= days <= 3660:
        raise Invalid("token-expiry", "days must be between 1 and 3660.", "Give a number of days.")
    life = old["expires"] - old["created"] if old["expires"] is not None else None
    if days is not None:
        life = days * DAY
    expires = None if life is None else work.now + life
    new_id, token = await add_token(
        work,
        master,
        connection_id=old["connection_id"],
        scopes=old["scopes"].split(),
        label=old["label"],
        expires=expires,
    )
    ends = work.now + overlap
    if old["expires"] is not None:
        ends = min(ends, old["expires"])
    await work.tx.run(
        "UPDATE sb_token SET expires = ?, successor = ?, warned = NULL WHERE id = ?", ends, new_id, token_id
    )
    detail = {"successor": new_id, "overlap_seconds": overlap // SECOND, "old_expires": iso(ends)}
    made = {"label": old["label"], "scopes": old["scopes"].split(), "replaces": token_id}
    await record(work, "token.created", "token", new_id, made, connection_id=old["connection_id"])
    await record(work, "token.rotated", "token", token_id, detail, connection_id=old["connection_id"])
    work.touched("token", token_id)
    return Rotated(new_id, token, expires, token_id, ends)
