"""Bearer tokens: `sbr_` with a checksum so that scanners find them, stored as a digest only."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid, NotFound, Unauthenticated
from scim_bridge.kernel.peppered import Anew, by_digest, digest_anew
from scim_bridge.kernel.work import Work

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIX = "sbr_"
SHAPE = re.compile(r"[0-9A-Za-z]{49}")
CONNECTION_SCOPES = ("read", "users", "groups")
# Pushing news of people (event hooks): never among those a token for SCIM has by itself.
SIGNALS = "signals"
# Managing a stream of security events, and fetching from it (CAEP interoperability profile): what a token has
# only when it is asked for.
SSF_READ, SSF_MANAGE = "ssf.read", "ssf.manage"
SSF_SCOPES = (SSF_READ, SSF_MANAGE)
CLIENT_SCOPES = (*CONNECTION_SCOPES, *SSF_SCOPES)
# To look at everything an admin sees by the API, and change nothing.
ADMIN_READ = "admin.read"
# The roles a token can be (registry/roles.py): what its holder may, at the API.
ROLE_SCOPES = ("viewer", "operator", "auditor", ADMIN_READ, "admin")
API_SCOPES = ("access", "activity", *SSF_SCOPES, *ROLE_SCOPES)
# Writing last_used at every call would make each read a write; once a minute tells as much.
USED_EVERY = 60_000_000


@dataclass(frozen=True, slots=True)
class Grant:
    """What a presented token may do."""

    token_id: str
    connection_id: str | None
    label: str
    scopes: frozenset[str]
    expires: int | None
    last_used: int | None
    # Set while its digest is by another master key than the current one: what to keep in its place.
    anew: Anew | None = None


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, rest = divmod(number, 62)
        digits.append(ALPHABET[rest])
    return "".join(reversed(digits))


def minted(prefix: str, drawn: bytes = b"") -> str:
    """A secret of a kind: its prefix, 256 bits (`drawn`, else random ones) and a CRC-32 over them, in base 62."""
    body = _base62(int.from_bytes(drawn or os.urandom(32)), 43)
    return f"{prefix}{body}{_base62(zlib.crc32(body.encode()), 6)}"


def new_token() -> str:
    """A fresh token."""
    return minted(PREFIX)


def well_formed(token: str, prefix: str = PREFIX) -> bool:
    """True when the checksum holds, so a typo costs no database read."""
    body = token.removeprefix(prefix)
    if len(body) == len(token) or not SHAPE.fullmatch(body):
        return False
    return body[43:] == _base62(zlib.crc32(body[:43].encode()), 6)


async def create_token(
    work: Work,
    master: MasterKey,
    *,
    connection_id: str | None,
    scopes: tuple[str, ...],
    label: str = "",
    days: int | None = None,
    token: str = "",
) -> str:
    """Make a token and return it: this is the only time it can be seen. `days` until it expires.

    `token` is one that was minted by the caller.
    """
    allowed = (*CONNECTION_SCOPES, SIGNALS, *SSF_SCOPES) if connection_id is not None else API_SCOPES
    if not scopes or not set(scopes) <= set(allowed):
        raise Invalid(
            "token-scope", f"scopes must be among {', '.join(allowed)}.", "Name one or more of them."
        )
    if days is not None and not 1 <= days <= 3660:
        raise Invalid(
            "token-expiry", "days must be between 1 and 3660.", "Give a number of days, or none at all."
        )
    expires = None if days is None else work.now + days * DAY
    token_id, token = await add_token(
        work, master, connection_id=connection_id, scopes=scopes, label=label, expires=expires, token=token
    )
    await record(
        work,
        "token.created",
        "token",
        token_id,
        {"label": label, "scopes": list(scopes), "days": days},
        connection_id=connection_id,
    )
    return token


async def add_token(
    work: Work,
    master: MasterKey,
    *,
    connection_id: str | None,
    scopes: Iterable[str],
    label: str,
    expires: int | None,
    client_id: str | None = None,
    proof_id: str | None = None,
    token: str = "",
) -> tuple[str, str]:
    """Store a new token: (its id, the token). The caller checks what it grants and writes the audit row."""
    token, token_id = token or new_token(), work.ids.new()
    await work.tx.run(
        "INSERT INTO sb_token (id, connection_id, label, hint, digest, digest_key, scopes, created, expires,"
        " client_id, proof_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        token_id,
        connection_id,
        label,
        token[:8],
        master.digest("token", token),
        master.kid,
        " ".join(scopes),
        work.now,
        expires,
        client_id,
        proof_id,
    )
    return token_id, token


async def authenticate(reader: Reader, master: MasterKey, token: str, now: int) -> Grant:
    """What this token grants; Unauthenticated when unknown, revoked or expired (one message for all)."""
    if not well_formed(token):
        raise _refusal()
    found = await by_digest(
        reader,
        master,
        "token",
        token,
        "SELECT id, connection_id, label, scopes, expires, last_used, revoked FROM sb_token WHERE digest = ?",
    )
    row = None if found is None else found.row
    if (
        found is None
        or row is None
        or row["revoked"] is not None
        or (row["expires"] is not None and row["expires"] <= now)
    ):
        raise _refusal()
    return Grant(
        row["id"],
        row["connection_id"],
        row["label"],
        frozenset(row["scopes"].split()),
        row["expires"],
        row["last_used"],
        found.anew,
    )


def _refusal() -> Unauthenticated:
    return Unauthenticated(
        "token-invalid",
        "The access token is missing, unknown, revoked or expired.",
        "Create one: `tokens create`.",
    )


async def still_granted(reader: Reader, token_id: str, now: int) -> Grant | None:
    """What a token known by its id grants now; None once it is revoked, expired or gone."""
    row = await reader.one(
        "SELECT id, connection_id, label, scopes, expires, last_used FROM sb_token"
        " WHERE id = ? AND revoked IS NULL AND (expires IS NULL OR expires > ?)",
        token_id,
        now,
    )
    if row is None:
        return None
    scopes = frozenset(row["scopes"].split())
    return Grant(row["id"], row["connection_id"], row["label"], scopes, row["expires"], row["last_used"])


async def mark_used(work: Work, grant: Grant) -> None:
    """Note that a token and its connection were used."""
    work.bookkeeping("last used")
    await work.tx.run("UPDATE sb_token SET last_used = ? WHERE id = ?", work.now, grant.token_id)
    if grant.anew is not None:
        await digest_anew(work, "sb_token", grant.token_id, grant.anew)
    if grant.connection_id is not None:
        await work.tx.run(
            "UPDATE sb_connection SET last_call = ? WHERE id = ?", work.now, grant.connection_id
        )


async def revoke_token(work: Work, token_id: str) -> None:
    """Revoke a token at once; NotFound when there is none with this id."""
    gone = await work.tx.run(
        "UPDATE sb_token SET revoked = ? WHERE id = ? AND revoked IS NULL", work.now, token_id
    )
    if not gone:
        raise NotFound(
            "token-unknown", f"There is no live token {token_id!r}.", "See `scim-bridge tokens list`."
        )
    await record(work, "token.revoked", "token", token_id)
    work.touched("token", token_id)


async def find_token(reader: Reader, master: MasterKey, text: str) -> Any:
    """The row (id, connection_id, created, expires, revoked) of a token of ours, live or not; None for other texts."""
    if not well_formed(text):
        return None
    sql = "SELECT id, connection_id, created, expires, revoked FROM sb_token WHERE digest = ?"
    found = await by_digest(reader, master, "token", text, sql)
    return None if found is None else found.row


async def tokens(
    reader: Reader,
    *,
    connection: str | None = None,
    before: tuple[int, str] | None = None,
    limit: int | None = None,
) -> list[Any]:
    """Every token's row (no digest), newest first. Access tokens of OAuth clients are not listed.

    `connection`: of the one with this name only; `before`: older than that instant and id, at most `limit`.
    """
    only = ("" if connection is None else " AND c.name = ?") + (
        "" if before is None else " AND (t.created, t.id) < (?, ?)"
    )
    return list(
        await reader.all(
            "SELECT t.id, c.name AS connection, t.label, t.hint, t.scopes, t.created, t.expires, t.last_used,"
            " t.revoked, t.successor FROM sb_token t LEFT JOIN sb_connection c ON c.id = t.connection_id"
            f" WHERE t.client_id IS NULL{only} ORDER BY t.created DESC, t.id DESC"
            f"{'' if limit is None else ' LIMIT ?'}",
            *(() if connection is None else (connection,)),
            *(before or ()),
            *(() if limit is None else (limit,)),
        )
    )
