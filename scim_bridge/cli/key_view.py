"""What `keys` shows and how it reads a name: ids, dates and states, never a value or digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scim_bridge.app import KEY_FILE
from scim_bridge.cli.client_view import listed_token
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.key_holders import holders
from scim_bridge.kernel.ownership import SHOWN, since
from scim_bridge.master_key_places import left
from scim_bridge.oauth import clients as oauth
from scim_bridge.registry.own_secrets import configured, own_secrets
from scim_bridge.registry.signing_keys import signing_keys
from scim_bridge.registry.tokens import tokens

# Made when first used; known by name before.
PURPOSES = ("audit", "receipt", "attestation")


@dataclass(frozen=True, slots=True)
class Named:
    """One of our keys: its kind, its id there, and for a webhook secret what the settings say."""

    kind: str
    id: str = ""
    configured: str = ""
    key_file: Path | None = None


async def named(bridge: Any, name: str) -> Named:
    """What a name stands for; NotFound otherwise."""
    if name in ("master", "pepper"):
        # Digests of tokens are keyed by a key derived from it: they turn with it.
        file = None if bridge.settings.secret_key else bridge.settings.data_dir / KEY_FILE
        return Named("master", key_file=file)
    kind, _, rest = name.partition(":")
    if kind in ("token", "client") and rest:
        return Named(kind, rest)
    secrets = configured(bridge.settings)
    if name in secrets:
        return Named("webhook", name, secrets[name])
    reads = bridge.ctx.store.reads
    purposes = {*PURPOSES, *(row["purpose"] for row in await signing_keys(reads))}
    if name in purposes:
        return Named("signing", name)
    raise NotFound("key-unknown", f"There is no key {name!r}.", "See `scim-bridge keys list`.")


async def listed(bridge: Any) -> list[dict[str, Any]]:
    """Every key, secret and token of ours, as `keys list` shows them."""
    return [
        *await _masters(bridge),
        *await _signing(bridge),
        *await _webhooks(bridge),
        *await _tokens(bridge),
        *await _clients(bridge),
    ]


def _row(
    name: str, kind: str, state: str, key: str, created: Any, expires: Any = None, note: str = ""
) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "state": state,
        "key": key,
        "created": created if isinstance(created, str) or created is None else iso(created),
        "expires": expires if isinstance(expires, str) or expires is None else iso(expires),
        "note": note or None,
    }


async def _masters(bridge: Any) -> list[dict[str, Any]]:
    ctx, master = bridge.ctx, bridge.ctx.master
    at = await since(ctx.store.reads)
    running = await holders(ctx.store.reads, ctx.store.clock.now())
    rows = [_row("master", "master key", "current", master.kid[:SHOWN], at)]
    if len(master.kids) > 1:
        found = await left(ctx, master)
        needed = f"{found.sealed} sealed values and {found.digests} digests are left"
        for kid in master.kids:
            if kid == master.kid:
                continue
            lacking = sum(kid not in each.kids for each in running)
            note = f"{needed} by earlier keys; {lacking} of {len(running)} processes lack it"
            state = "next" if master.kids[0] == kid else "previous"
            rows.append(_row("master", "master key", state, kid[:SHOWN], None, None, note))
    rows.append(
        _row("pepper", "digests of tokens", "current", master.kid[:SHOWN], at, None, "turns with master")
    )
    return rows


async def _signing(bridge: Any) -> list[dict[str, Any]]:
    rows = await signing_keys(bridge.ctx.store.reads)
    found = []
    for row in rows:
        state = "current" if row["retired"] is None else "verifies only" if not row["held"] else "retired"
        found.append(_row(row["purpose"], "signing key", state, row["kid"], row["created"]))
    missing = [purpose for purpose in PURPOSES if purpose not in {row["purpose"] for row in rows}]
    return found + [_row(purpose, "signing key", "made when first used", "", None) for purpose in missing]


async def _webhooks(bridge: Any) -> list[dict[str, Any]]:
    now = bridge.ctx.store.clock.now()
    made: dict[str, list[Any]] = {}
    for row in await own_secrets(bridge.ctx.store.reads):
        made.setdefault(row["name"], []).append(row)
    found = []
    for name in sorted(configured(bridge.settings)):
        rows = made.get(name, [])
        for at, row in enumerate(rows):
            if row["expires"] is None or row["expires"] > now:
                state = "current" if at == 0 else "overlap"
                found.append(_row(name, "webhook secret", state, row["id"], row["created"], row["expires"]))
        until = rows[0]["replaces_until"] if rows else None
        state = "current" if until is None else "overlap" if until > now else "replaced"
        found.append(_row(name, "webhook secret", state, "", None, until, "from the settings"))
    return found


async def _tokens(bridge: Any) -> list[dict[str, Any]]:
    now = bridge.ctx.store.clock.now()
    rows = [listed_token(row, now) for row in await tokens(bridge.ctx.store.reads)]
    return [
        _row(
            f"token:{row['id']}",
            "token",
            row["state"],
            row["hint"],
            row["created"],
            row["expires"],
            " ".join(filter(None, (row["connection"], row["label"]))),
        )
        for row in rows
        if row["state"] not in ("revoked", "expired")
    ]


async def _clients(bridge: Any) -> list[dict[str, Any]]:
    reads, now = bridge.ctx.store.reads, bridge.ctx.store.clock.now()
    found = []
    for client in await oauth.clients(reads):
        live = await oauth.live_secrets(reads, client.id, now)
        for row in live:
            state = "current" if row is live[-1] else "overlap" if row["rotated"] else "live"
            note = f"{client.connection} {client.label}".strip()
            found.append(
                _row(
                    f"client:{client.id}",
                    "client secret",
                    state,
                    row["hint"],
                    row["created"],
                    row["expires"],
                    note,
                )
            )
    return found
