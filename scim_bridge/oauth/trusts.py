"""Trusts: whose assertions stand for a client. Added and removed by an admin, compared letter by letter."""

from __future__ import annotations

from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, Invalid, NotFound, UniqueViolation
from scim_bridge.kernel.work import Work
from scim_bridge.oauth.clients import client
from scim_bridge.oauth.keys import checked_url, unwatch, watch
from scim_bridge.oauth.model import ENTRA_HOSTS, ENTRA_ISSUER, GUID, Trust
from scim_bridge.registry.access_tokens import revoke_access_tokens

LONGEST = 500
COLUMNS = "id, client_id, issuer, tenant, subject, audience, keys_url, single_use, created, last_used"


def trust_of(row: Any) -> Trust:
    """A row of sb_oauth_trust as a value."""
    return Trust(
        row["id"],
        row["client_id"],
        row["issuer"],
        row["tenant"],
        row["subject"],
        row["audience"],
        row["keys_url"],
        bool(row["single_use"]),
        row["created"],
        row["last_used"],
    )


async def trusts(reader: Reader, client_id: str | None = None) -> list[Trust]:
    """Every trust, or those of one client, oldest first."""
    if client_id is None:
        rows = await reader.all(f"SELECT {COLUMNS} FROM sb_oauth_trust WHERE removed IS NULL ORDER BY id")
    else:
        rows = await reader.all(
            f"SELECT {COLUMNS} FROM sb_oauth_trust WHERE removed IS NULL AND client_id = ? ORDER BY id",
            client_id,
        )
    return [trust_of(row) for row in rows]


def described_issuer(
    tenant: str | None, issuer: str | None, keys_url: str | None
) -> tuple[str, str | None, str]:
    """(issuer, tenant, address of the keys) from what an admin gave; Invalid when something is missing.

    A tenant id alone is enough for Microsoft's public cloud; other clouds are named by their issuer.
    """
    if tenant is not None:
        tenant = tenant.casefold()
        if not GUID.fullmatch(tenant):
            raise Invalid(
                "trust-tenant", f"{tenant!r} is no tenant id.", "Copy the GUID from Entra's overview."
            )
    if issuer is None:
        if tenant is None:
            raise Invalid("trust-issuer", "Who is trusted is missing.", "Give --tenant, or --issuer.")
        issuer = f"https://{ENTRA_HOSTS[0]}/{tenant}/v2.0"
    entra = ENTRA_ISSUER.fullmatch(issuer.casefold())
    if entra is not None and tenant is not None and entra["tenant"] != tenant:
        raise Invalid("trust-tenant", "The issuer is of another tenant.", "Give one of the two.")
    if entra is not None:
        return entra[0], entra["tenant"], keys_url or f"{entra[1]}/discovery/v2.0/keys"
    if keys_url is None:
        raise Invalid(
            "trust-keys", "The address of the issuer's keys is missing.", "Give --keys-url (its jwks_uri)."
        )
    return issuer, tenant, keys_url


def _exact(name: str, value: str) -> str:
    if not value or len(value) > LONGEST or not value.isprintable() or value != value.strip():
        raise Invalid(
            f"trust-{name}", f"The {name} is empty, too long or not plain text.", "Copy it from the issuer."
        )
    # Entra writes ids in small letters; pages are copied from in both.
    bare = value.removeprefix("api://")
    return value.casefold() if GUID.fullmatch(bare.casefold()) else value


async def add_trust(
    work: Work,
    client_id: str,
    *,
    subject: str,
    audience: str,
    hosts: tuple[str, ...],
    tenant: str | None = None,
    issuer: str | None = None,
    keys_url: str | None = None,
    single_use: bool = True,
) -> Trust:
    """Let assertions of one issuer, subject and audience stand for a client; Conflict when they do already.

    `hosts` are those keys may be fetched from. `single_use` False is for issuers whose senders keep an
    assertion and send it again until it expires.
    """
    owner = await client(work.tx, client_id)
    found = described_issuer(tenant, issuer, keys_url)
    made = Trust(
        work.ids.new(),
        client_id,
        _exact("issuer", found[0]),
        found[1],
        _exact("subject", subject),
        _exact("audience", audience),
        checked_url(found[2], hosts),
        single_use,
        work.now,
        None,
    )
    for other in await trusts(work.tx, client_id):
        alike = made.issuers & other.issuers and made.audiences & other.audiences
        if alike and made.subject == other.subject:
            raise _taken(other.id)
    await _insert(work, made)
    await watch(work, made.keys_url)
    detail = {
        "trust": made.id,
        "issuer": made.issuer,
        "tenant": made.tenant,
        "subject": made.subject,
        "audience": made.audience,
        "keys_url": made.keys_url,
        "single_use": single_use,
    }
    await record(work, "client.trust_added", "client", client_id, detail, connection_id=owner.connection_id)
    return made


def _taken(trust_id: str) -> Conflict:
    return Conflict("trust-exists", f"Trust {trust_id} says the same.", "Remove that one first.")


async def _insert(work: Work, made: Trust) -> None:
    try:
        await work.tx.run(
            "INSERT INTO sb_oauth_trust (id, client_id, issuer, tenant, subject, audience, keys_url, single_use,"
            " created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            made.id,
            made.client_id,
            made.issuer,
            made.tenant,
            made.subject,
            made.audience,
            made.keys_url,
            int(made.single_use),
            work.now,
        )
    except UniqueViolation as error:
        raise _taken("of another session") from error


async def remove_trust(work: Work, trust_id: str) -> int:
    """Stop trusting at once, and end the access tokens given for it; how many tokens that ended."""
    row = await work.tx.one(
        "SELECT t.client_id, c.connection_id FROM sb_oauth_trust t JOIN sb_oauth_client c ON c.id = t.client_id"
        " WHERE t.id = ? AND t.removed IS NULL",
        trust_id,
    )
    if row is None:
        raise NotFound(
            "trust-unknown", f"There is no trust {trust_id!r}.", "See `scim-bridge clients trust list`."
        )
    await work.tx.run("UPDATE sb_oauth_trust SET removed = ? WHERE id = ?", work.now, trust_id)
    await unwatch(work)
    ended = await revoke_access_tokens(work, row["client_id"], trust_id)
    detail = {"trust": trust_id, "tokens_ended": ended}
    await record(
        work, "client.trust_removed", "client", row["client_id"], detail, connection_id=row["connection_id"]
    )
    return ended
