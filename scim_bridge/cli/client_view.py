"""How tokens, clients, secrets and trusts are shown: ids, dates and states, never a value or digest."""

from __future__ import annotations

from typing import Any

from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.database import Reader
from scim_bridge.oauth import clients as oauth
from scim_bridge.oauth import keys
from scim_bridge.oauth import trusts as trusting
from scim_bridge.oauth.model import Client, Trust
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.expiry import days_left, standing
from scim_bridge.registry.tokens import tokens as tokens_of


def listed_token(row: Any, now: int) -> dict[str, Any]:
    """A token of `tokens list`: what is stored, then what it means today."""
    state = standing(row["expires"], row["revoked"], row["successor"] is not None, now)
    left = None if row["revoked"] is not None else days_left(row["expires"], now)
    return {**dict(row), "state": state, "days_left": left}


async def listed(reader: Reader, now: int, connection_id: str | None) -> list[dict[str, Any]]:
    """Clients as `clients list` shows them."""
    found = []
    for client in await oauth.clients(reader, connection_id):
        live = await oauth.live_secrets(reader, client.id, now)
        soonest = min((row["expires"] for row in live), default=None)
        found.append(
            {
                "client_id": client.id,
                "connection": client.connection,
                "label": client.label,
                "scopes": " ".join(client.scopes),
                "created": client.created,
                "last_used": client.last_used,
                "secrets": len(live),
                "expires": soonest,
                "trusts": len(await trusting.trusts(reader, client.id)),
            }
        )
    return found


async def shown(reader: Reader, client: Client, now: int, short: bool) -> dict[str, Any]:
    """A client with its secrets and trusts; `short` for a terminal, where each is one line."""
    secrets: list[Any] = [listed_secret(row, now) for row in await oauth.secrets(reader, client.id)]
    trusts: list[Any] = [
        listed_trust(each, await keys.cached(reader, each.keys_url))
        for each in await trusting.trusts(reader, client.id)
    ]
    if short:
        secrets = [line(secret, "id", "state", "expires", "last_used") for secret in secrets]
        trusts = [line(each, "trust_id", "issuer", "subject", "keys") for each in trusts]
    return {
        "client_id": client.id,
        "connection": client.connection,
        "label": client.label,
        "scopes": list(client.scopes),
        "created": iso(client.created),
        "last_used": told(client.last_used),
        "secrets": secrets,
        "trusts": trusts,
    }


def listed_secret(row: Any, now: int) -> dict[str, Any]:
    """A secret without anything of it but its first letters."""
    return {
        "id": row["id"],
        "hint": row["hint"],
        "state": standing(row["expires"], row["revoked"], row["rotated"] is not None, now),
        "days_left": days_left(row["expires"], now),
        "created": iso(row["created"]),
        "expires": iso(row["expires"]),
        "last_used": told(row["last_used"]),
    }


def listed_trust(trust: Trust, known: keys.Cached) -> dict[str, Any]:
    """A trust with the state of its issuer's keys."""
    return {
        "trust_id": trust.id,
        "client_id": trust.client_id,
        "issuer": trust.issuer,
        "tenant": trust.tenant,
        "subject": trust.subject,
        "audience": trust.audience,
        "keys_url": trust.keys_url,
        "single_use": trust.single_use,
        "last_used": told(trust.last_used),
        "keys": keys.told(known),
    }


async def speakers(reader: Reader, found: Connection, now: int, short: bool) -> dict[str, Any]:
    """Who may speak for a connection: its tokens, and its clients with secrets and trusts."""
    rows = [row for row in await tokens_of(reader) if row["connection"] == found.name]
    tokens: list[Any] = [_in_words(listed_token(row, now)) for row in rows]
    clients: list[Any] = [
        await shown(reader, client, now, short) for client in await oauth.clients(reader, found.id)
    ]
    if short:
        tokens = [line(token, "id", "label", "state", "expires", "last_used") for token in tokens]
        clients = [_client_line(client) for client in clients]
    return {"tokens": tokens, "clients": clients}


def _in_words(record: dict[str, Any]) -> dict[str, Any]:
    instants = ("created", "expires", "last_used", "revoked")
    return {**record, **{name: told(record[name]) for name in instants}}


def _client_line(client: dict[str, Any]) -> str:
    proofs = f"{len(client['secrets'])} secret(s), {len(client['trusts'])} trust(s)"
    return f"{line(client, 'client_id', 'label')} · {proofs}"


def told(instant: int | None) -> str | None:
    """An instant inside a nested record, where nothing else turns it into text."""
    return None if instant is None else iso(instant)


def line(record: dict[str, Any], *names: str) -> str:
    """A record on one line of a terminal: these of its members, `never` for a missing last use."""
    words = {"last_used": "last used ", "expires": "expires "}
    parts = (f"{words.get(name, '')}{record[name] or ('never' if name in words else '')}" for name in names)
    return " · ".join(part for part in parts if part)
