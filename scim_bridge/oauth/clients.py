"""OAuth clients and their secrets: made, rotated, deleted. Audited; a secret is seen only when it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, SECOND, iso
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, Invalid, NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.oauth.keys import unwatch
from scim_bridge.oauth.model import Client
from scim_bridge.registry.access_tokens import revoke_access_tokens
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.rotation import checked_overlap
from scim_bridge.registry.tokens import CLIENT_SCOPES, CONNECTION_SCOPES, minted

PREFIX = "sbs_"
PURPOSE = "client-secret"
YEAR = 365 * DAY
MOST_SECRETS = 10
SELECT = (
    "SELECT c.id, c.connection_id, n.name AS connection, c.label, c.scopes, c.created, c.last_used"
    " FROM sb_oauth_client c JOIN sb_connection n ON n.id = c.connection_id WHERE c.deleted IS NULL"
)


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret that was just made: the only time it can be seen."""

    id: str
    secret: str
    expires: int


def client_of(row: Any) -> Client:
    """A row of sb_oauth_client with its connection's name as a value."""
    return Client(
        row["id"],
        row["connection_id"],
        row["connection"],
        row["label"],
        tuple(row["scopes"].split()),
        row["created"],
        row["last_used"],
    )


async def find_client(reader: Reader, client_id: str) -> Client | None:
    """The client with this client_id, or None."""
    row = await reader.one(f"{SELECT} AND c.id = ?", client_id)
    return None if row is None else client_of(row)


async def client(reader: Reader, client_id: str) -> Client:
    """The client with this client_id; NotFound otherwise."""
    found = await find_client(reader, client_id)
    if found is None:
        raise NotFound(
            "client-unknown", f"There is no client {client_id!r}.", "See `scim-bridge clients list`."
        )
    return found


async def clients(reader: Reader, connection_id: str | None = None) -> list[Client]:
    """Every client, or those of one connection, by connection and age."""
    if connection_id is None:
        rows = await reader.all(f"{SELECT} ORDER BY n.name, c.id")
    else:
        rows = await reader.all(f"{SELECT} AND c.connection_id = ? ORDER BY c.id", connection_id)
    return [client_of(row) for row in rows]


async def create_client(
    work: Work, connection: Connection, *, label: str = "", scopes: Sequence[str] = CONNECTION_SCOPES
) -> Client:
    """Add a client to a connection, without a secret or trust yet; Invalid for unknown scopes."""
    if not scopes or not set(scopes) <= set(CLIENT_SCOPES):
        raise Invalid(
            "client-scope",
            f"scopes must be among {', '.join(CLIENT_SCOPES)}.",
            "Name one or more of them.",
        )
    client_id = work.ids.new()
    ordered = [scope for scope in CLIENT_SCOPES if scope in scopes]
    await work.tx.run(
        "INSERT INTO sb_oauth_client (id, connection_id, label, scopes, created) VALUES (?, ?, ?, ?, ?)",
        client_id,
        connection.id,
        label,
        " ".join(ordered),
        work.now,
    )
    await record(
        work,
        "client.created",
        "client",
        client_id,
        {"label": label, "scopes": ordered},
        connection_id=connection.id,
    )
    return await client(work.tx, client_id)


async def add_secret(work: Work, master: MasterKey, client_id: str, *, years: int = 1) -> NewSecret:
    """Give a client one more secret, valid 1 to 3 years; Conflict when it has ten live ones."""
    if not 1 <= years <= 3:
        raise Invalid("secret-expiry", "A secret lives 1, 2 or 3 years.", "Give one of these numbers.")
    owner = await client(work.tx, client_id)
    if len(await live_secrets(work.tx, client_id, work.now)) >= MOST_SECRETS:
        raise Conflict(
            "secret-limit",
            f"The client has {MOST_SECRETS} live secrets.",
            "Delete those nobody uses: `clients show` says when each was last used.",
        )
    made = NewSecret(work.ids.new(), minted(PREFIX), work.now + years * YEAR)
    await work.tx.run(
        "INSERT INTO sb_oauth_secret (id, client_id, hint, digest, digest_key, created, expires)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        made.id,
        client_id,
        made.secret[:8],
        master.digest(PURPOSE, made.secret),
        master.kid,
        work.now,
        made.expires,
    )
    detail = {"secret": made.id, "expires": iso(made.expires)}
    await record(work, "client.secret_added", "client", client_id, detail, connection_id=owner.connection_id)
    return made


async def rotate_secret(
    work: Work, master: MasterKey, client_id: str, *, years: int | None = None, overlap: int
) -> NewSecret:
    """Give a client a new secret and let every other live one end after `overlap` microseconds.

    Without `years` it lives as long as the newest of them was made for.
    """
    checked_overlap(overlap)
    owner = await client(work.tx, client_id)
    older = await live_secrets(work.tx, client_id, work.now)
    ends = work.now + overlap
    for row in older:
        await work.tx.run(
            "UPDATE sb_oauth_secret SET expires = ?, rotated = ?, warned = NULL WHERE id = ?",
            min(row["expires"], ends),
            work.now,
            row["id"],
        )
    made = await add_secret(work, master, client_id, years=years or _years_of(older))
    detail = {
        "secret": made.id,
        "ending": [row["id"] for row in older],
        "overlap_seconds": overlap // SECOND,
    }
    await record(
        work, "client.secret_rotated", "client", client_id, detail, connection_id=owner.connection_id
    )
    return made


def _years_of(live: Sequence[Any]) -> int:
    """For how many years the newest of these secrets was made; one when there is none, or it was cut short."""
    newest = max(live, key=lambda row: int(row["created"]), default=None)
    spans = 0 if newest is None else round((newest["expires"] - newest["created"]) / YEAR)
    return min(max(spans, 1), 3)


async def delete_secret(work: Work, secret_id: str) -> int:
    """Delete a secret at once, with the access tokens it was shown for; how many tokens that ended."""
    row = await work.tx.one(
        "SELECT s.client_id, c.connection_id FROM sb_oauth_secret s JOIN sb_oauth_client c ON c.id = s.client_id"
        " WHERE s.id = ? AND s.revoked IS NULL AND c.deleted IS NULL",
        secret_id,
    )
    if row is None:
        raise NotFound(
            "secret-unknown", f"There is no secret {secret_id!r}.", "See `scim-bridge clients show CLIENT`."
        )
    await work.tx.run("UPDATE sb_oauth_secret SET revoked = ? WHERE id = ?", work.now, secret_id)
    ended = await revoke_access_tokens(work, row["client_id"], secret_id)
    detail = {"secret": secret_id, "tokens_ended": ended}
    await record(
        work,
        "client.secret_deleted",
        "client",
        row["client_id"],
        detail,
        connection_id=row["connection_id"],
    )
    return ended


async def delete_client(work: Work, client_id: str) -> int:
    """Delete a client with its secrets, trusts and access tokens; how many tokens that ended."""
    gone = await client(work.tx, client_id)
    await work.tx.run("UPDATE sb_oauth_client SET deleted = ? WHERE id = ?", work.now, client_id)
    await work.tx.run(
        "UPDATE sb_oauth_secret SET revoked = ? WHERE client_id = ? AND revoked IS NULL", work.now, client_id
    )
    await work.tx.run(
        "UPDATE sb_oauth_trust SET removed = ? WHERE client_id = ? AND removed IS NULL", work.now, client_id
    )
    await unwatch(work)
    ended = await revoke_access_tokens(work, client_id)
    detail = {"label": gone.label, "tokens_ended": ended}
    await record(work, "client.deleted", "client", client_id, detail, connection_id=gone.connection_id)
    return ended


async def live_secrets(reader: Reader, client_id: str, now: int) -> list[Any]:
    """The secrets that open the door now, oldest first (no digest)."""
    return [
        row for row in await secrets(reader, client_id) if row["revoked"] is None and row["expires"] > now
    ]


async def secrets(reader: Reader, client_id: str) -> list[Any]:
    """Every secret of a client that was not deleted, expired ones too, oldest first (no digest)."""
    return list(
        await reader.all(
            "SELECT id, hint, created, expires, last_used, revoked, rotated FROM sb_oauth_secret"
            " WHERE client_id = ? AND revoked IS NULL ORDER BY created, id",
            client_id,
        )
    )
