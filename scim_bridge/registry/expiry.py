"""Secrets that are about to expire: a pure rule, one notice at each stage, and numbers for alerting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import Gauge

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, SECOND, iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.telemetry import REGISTRY
from scim_bridge.kernel.work import SYSTEM, Store, Work
from scim_bridge.registry import outward

STAGES = (30, 7, 1)
# An alert must not clear because the secret it is about has expired.
SHOWN_EXPIRED = 7 * DAY

EXPIRES = Gauge(
    "scim_bridge_token_expires_seconds",
    "Seconds until a token or client secret expires; below zero when it has. Never its value.",
    ["connection", "kind", "label", "id"],
    registry=REGISTRY,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of secret: the noun of its audit rows, what people call it, and the table it is kept in."""

    noun: str
    words: str
    table: str


TOKEN = Kind("token", "token", "sb_token")


@dataclass(frozen=True, slots=True)
class Expiring:
    """One secret that expires. `since` is when its end was settled: when it was made, or rotated."""

    kind: Kind
    id: str
    connection_id: str | None
    connection: str
    label: str
    since: int
    expires: int
    last_used: int | None
    rotated: bool
    warned: int | None
    client_id: str | None = None


def stage(secret: Expiring, now: int) -> int | None:
    """The days before expiry at which a warning is due now, or None.

    One that was made to live shorter than a stage is not warned of at it; one that was rotated only
    when it has been used since, for then somebody still has the old one.
    """
    left = secret.expires - now
    due = [days for days in STAGES if left <= days * DAY < secret.expires - secret.since]
    if left <= 0 or not due or (secret.warned is not None and secret.warned <= min(due)):
        return None
    if secret.rotated and (secret.last_used is None or secret.last_used <= secret.since):
        return None
    return min(due)


def standing(expires: int | None, revoked: int | None, rotated: bool, now: int) -> str:
    """What a secret is now, in a word for lists: live, expiring (30 days or less), rotated, expired, revoked."""
    if revoked is not None:
        return "revoked"
    if expires is not None and expires <= now:
        return "expired"
    if rotated:
        return "rotated"
    return "expiring" if expires is not None and expires - now <= STAGES[0] * DAY else "live"


def days_left(expires: int | None, now: int) -> int | None:
    """Whole days until then, rounded up; None for never, 0 when it is over."""
    return None if expires is None else max(0, -((now - expires) // DAY))


async def expiring_tokens(reader: Reader, now: int) -> list[Expiring]:
    """Every token that expires, and those that did within the last week. No access tokens."""
    rows = await reader.all(
        "SELECT t.id, t.connection_id, c.name AS connection, t.label, t.created, t.expires, t.last_used,"
        " t.successor, t.warned, s.created AS rotated FROM sb_token t"
        " LEFT JOIN sb_connection c ON c.id = t.connection_id LEFT JOIN sb_token s ON s.id = t.successor"
        " WHERE t.client_id IS NULL AND t.revoked IS NULL AND t.expires > ? ORDER BY t.id",
        now - SHOWN_EXPIRED,
    )
    return [
        Expiring(
            TOKEN,
            row["id"],
            row["connection_id"],
            row["connection"] or "",
            row["label"],
            row["created"] if row["rotated"] is None else row["rotated"],
            row["expires"],
            row["last_used"],
            row["successor"] is not None,
            row["warned"],
        )
        for row in rows
    ]


async def warn_of_tokens(store: Store) -> int:
    """Tell of tokens that are about to expire, each stage once; how many notices."""
    return await warn(store, await expiring_tokens(store.reads, store.clock.now()))


async def warn(store: Store, secrets: Sequence[Expiring]) -> int:
    """Write the notice that is due for each of these secrets; how many. Replicas may all ask: one tells."""
    told = 0
    for secret in secrets:
        days = stage(secret, store.clock.now())
        if days is not None:
            told += await store.transact(SYSTEM, _telling(secret, days))
    return told


def _telling(secret: Expiring, days: int) -> Callable[[Work], Awaitable[int]]:
    async def body(work: Work) -> int:
        marked = await work.tx.run(
            f"UPDATE {secret.kind.table} SET warned = ? WHERE id = ? AND revoked IS NULL AND expires = ?"
            " AND (warned IS NULL OR warned > ?)",
            days,
            secret.id,
            secret.expires,
            days,
        )
        if not marked:
            work.bookkeeping("this was told already")
            return 0
        data = {
            "what": secret.kind.words,
            "id": secret.id,
            "client": secret.client_id,
            "label": secret.label,
            "connection": secret.connection,
            "expires": iso(secret.expires),
            "days": days_left(secret.expires, work.now),
            "rotated": secret.rotated,
            "last_used": None if secret.last_used is None else iso(secret.last_used),
        }
        await outward.notify(work, "secret-expiring", None, data, subject_id=secret.id)
        detail = {"days": days, "expires": data["expires"], "label": secret.label}
        noun = secret.kind.noun
        await record(work, f"{noun}.expiring", noun, secret.id, detail, connection_id=secret.connection_id)
        return 1

    return body


def show_in_metrics(secrets: Iterable[Expiring], now: int) -> None:
    """Bring the gauge up to date: only these secrets stay in it."""
    EXPIRES.clear()
    for secret in secrets:
        labels = (secret.connection, secret.kind.words, secret.label, secret.id)
        EXPIRES.labels(*labels).set((secret.expires - now) / SECOND)
