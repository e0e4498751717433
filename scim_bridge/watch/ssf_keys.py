"""Keys that sign security events: RSA, as every receiver takes them (CAEP interoperability profile section 2.6).

A new key is published before it signs, so that a receiver has it when it is needed, and an old one stays
published after its last signature, for events that are still on their way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from joserfc import jws
from joserfc.jwk import RSAKey

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, MINUTE
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import Work
from scim_bridge.registry.event_types import SET_TYP

PURPOSE = "ssf"
ALGORITHM = "RS256"
BITS = 2048
# Receivers may keep a set of keys for the five minutes it says, and some ask only every ten.
PUBLISH_FIRST = 15 * MINUTE
PUBLISH_AFTER = 30 * DAY
_REGISTRY = jws.JWSRegistry(algorithms=[ALGORITHM])


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key's dates, in microseconds; `retired` once another took over."""

    kid: str
    created: int
    retired: int | None


def signing(keys: Sequence[KeyRow], now: int) -> KeyRow | None:
    """The key that signs now: the newest that has been published long enough, else the oldest there is."""
    live = sorted((key for key in keys if key.retired is None), key=lambda key: key.created)
    ready = [key for key in live if key.created <= now - PUBLISH_FIRST]
    return (ready or live[:1] or [None])[-1]  # type: ignore[list-item]


def published(keys: Sequence[KeyRow], now: int) -> list[KeyRow]:
    """Those a receiver may still need."""
    return [key for key in keys if key.retired is None or key.retired > now - PUBLISH_AFTER]


async def key_rows(reader: Reader) -> list[KeyRow]:
    """Every key of the transmitter, oldest first."""
    rows = await reader.all(
        "SELECT kid, created, retired FROM sb_key WHERE purpose = ? ORDER BY created, kid", PURPOSE
    )
    return [KeyRow(row["kid"], row["created"], row["retired"]) for row in rows]


async def jwks(reader: Reader, now: int) -> dict[str, Any]:
    """The JWK Set that the metadata names (jwks_uri)."""
    wanted = {key.kid for key in published(await key_rows(reader), now)}
    rows = await reader.all(
        "SELECT kid, public FROM sb_key WHERE purpose = ? ORDER BY created DESC, kid", PURPOSE
    )
    return {"keys": [orjson.loads(row["public"]) for row in rows if row["kid"] in wanted]}


async def ensure_key(work: Work, master: MasterKey) -> None:
    """Make the first key when there is none."""
    if not await key_rows(work.tx):
        await _make(work, master)


async def rotate(work: Work, master: MasterKey) -> str:
    """A new key, which signs once it was published for a quarter of an hour; its id.

    The one that signs now goes on until then; older ones sign nothing any more.
    """
    keys = await key_rows(work.tx)
    current = signing(keys, work.now)
    for key in keys:
        if (
            key.retired is None
            and current is not None
            and key.kid != current.kid
            and key.created < current.created
        ):
            await work.tx.run("UPDATE sb_key SET retired = ? WHERE kid = ?", work.now, key.kid)
    kid = await _make(work, master)
    await record(
        work, "transmitter.key_rotated", "key", kid, {"signs_until_then": current.kid if current else None}
    )
    return kid


async def _make(work: Work, master: MasterKey) -> str:
    key, kid = RSAKey.generate_key(BITS, private=True), f"{PURPOSE}-{work.ids.new()}"
    public = {**key.as_dict(private=False), "kid": kid, "alg": ALGORITHM, "use": "sig"}
    await work.tx.run(
        "INSERT INTO sb_key (kid, purpose, public, private, created) VALUES (?, ?, ?, ?, ?)",
        kid,
        PURPOSE,
        orjson.dumps(public).decode(),
        master.seal(f"sb_key:{kid}:private", orjson.dumps(key.as_dict(private=True))),
        work.now,
    )
    return kid


class Signer:
    """Signs SETs with the key that is due, which is unsealed once for all of them."""

    def __init__(self, master: MasterKey) -> None:
        self._master = master
        self._known: tuple[str, RSAKey] | None = None

    async def ready(self, reader: Reader, now: int) -> tuple[str, RSAKey]:
        """(kid, key) to sign with now; LookupError when there is none yet."""
        due = signing(await key_rows(reader), now)
        if due is None:
            raise LookupError("the transmitter has no key yet")
        if self._known is None or self._known[0] != due.kid:
            row = await reader.one("SELECT private FROM sb_key WHERE kid = ?", due.kid)
            assert row is not None
            secret = orjson.loads(self._master.unseal(f"sb_key:{due.kid}:private", bytes(row["private"])))
            self._known = (due.kid, RSAKey.import_key(secret))
        return self._known


def signed(key: tuple[str, RSAKey], claims: str | Mapping[str, Any]) -> str:
    """A SET: a compact JWS whose header says so (RFC 8417 section 2.3). A millisecond of work."""
    header = {"alg": ALGORITHM, "kid": key[0], "typ": SET_TYP}
    body = claims.encode() if isinstance(claims, str) else orjson.dumps(claims)
    return jws.serialize_compact(header, body, key[1], registry=_REGISTRY)
