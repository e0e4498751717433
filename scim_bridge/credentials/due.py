"""What the credentials room does by itself: scans, rotations that are due, new credentials for who is back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

import structlog

from scim_bridge.credentials.begin import begin_for
from scim_bridge.credentials.clients import Client, client_of
from scim_bridge.credentials.policies import Policies, policies
from scim_bridge.credentials.policy import OWNER_CHANGED, rotation_due
from scim_bridge.credentials.rotation import REACTIVATED, SCHEDULE
from scim_bridge.credentials.scan import scan
from scim_bridge.kernel.clock import DAY, MINUTE
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry.connections import connections
from scim_bridge.registry.keeper import KeeperOf

log = structlog.get_logger("scim_bridge.credentials")


class CredentialSettings(Protocol):
    """What the installation decided (`[credentials]`)."""

    @property
    def scan_minutes(self) -> int:
        """Minutes between two scans of a connection; 0: never by itself."""

    @property
    def at_once(self) -> int:
        """How many rotations may be under way before others that are due wait."""


Duty = tuple[str, float, Callable[[], Awaitable[object]]]


def duties(ctx: Context, keeper_of: KeeperOf, settings: CredentialSettings) -> list[Duty]:
    """Name, seconds and what to do, for whoever runs duties. Scans are off with 0 minutes."""
    found: list[Duty] = [("credentials-due", 20.0, lambda: rotate_due(ctx, settings.at_once))]
    if settings.scan_minutes:
        every = settings.scan_minutes * MINUTE
        found.append(("credentials-scan", 60.0, lambda: scan_due(ctx, keeper_of, every)))
    return found


async def scan_due(ctx: Context, keeper_of: KeeperOf, every: int) -> int:
    """Scan each connection with a push side whose last scan is old enough; how many. One replica does it."""
    done = 0
    for there in await connections(ctx.store.reads):
        if not there.has_secrets or there.kind not in ("okta", "entra"):
            continue
        if not await ctx.store.transact(SYSTEM, partial(_claim, connection_id=there.id, every=every)):
            continue
        try:
            await scan(ctx, keeper_of, there.id)
            done += 1
        except BridgeError as error:
            log.warning(
                "credentials.scan_failed",
                action="credentials.scan_failed",
                connection=there.name,
                reason=error.message,
            )
    return done


async def _claim(work: Work, connection_id: str, every: int) -> bool:
    work.bookkeeping("a scan of credentials is due")
    changed = await work.tx.run(
        "INSERT INTO sb_credential_scan (connection_id, started, clients, credentials, strangers, reason)"
        " VALUES (?, ?, 0, 0, 0, '') ON CONFLICT (connection_id) DO UPDATE SET started = excluded.started"
        " WHERE sb_credential_scan.started <= ?",
        connection_id,
        work.now,
        work.now - every,
    )
    return bool(changed)


async def rotate_due(ctx: Context, at_once: int = 50) -> int:
    """Begin what is due by age, by a change of owners, or because an agent is back without a credential.

    How many; never more than `at_once` are under way.
    """
    reads = ctx.store.reads
    known = await policies(reads)
    if not known.layers:
        return 0
    row: Any = await reads.one("SELECT COUNT(*) AS n FROM sb_rotation WHERE finished IS NULL")
    room = at_once - int(row["n"])
    begun = 0
    for client, slug, old, cause, reason in await _due(ctx, known):
        if begun >= room:
            break
        try:
            await ctx.store.transact(
                SYSTEM,
                partial(begin_for, known=known, of=client, slug=slug, old=old, cause=cause, reason=reason),
            )
            begun += 1
        except BridgeError as error:
            log.warning(
                "credentials.not_begun",
                action="credentials.not_begun",
                client=client.remote.remote_id,
                reason=error.message,
            )
    return begun


Due = tuple[Client, str, Any, str, str]


async def _due(ctx: Context, known: Policies) -> list[Due]:
    """Everything that is due, the oldest first; nothing of a client that has a rotation under way."""
    reads, now = ctx.store.reads, ctx.store.clock.now()
    rows = await reads.all(
        "SELECT k.*, a.slug, n.name AS connection, c.id AS credential FROM sb_credential_client k"
        " JOIN sb_connection n ON n.id = k.connection_id JOIN sb_agent a ON a.id = k.agent_id"
        " JOIN sb_resource r ON r.id = k.agent_id AND r.active = 1 AND r.deleted IS NULL"
        " LEFT JOIN sb_credential c ON c.connection_id = k.connection_id AND c.client_id = k.remote_id"
        " AND c.state = 'active' AND c.kind <> 'federated'"
        " WHERE NOT EXISTS (SELECT 1 FROM sb_rotation o WHERE o.connection_id = k.connection_id"
        " AND o.remote_id = k.remote_id AND o.finished IS NULL) ORDER BY c.created, k.remote_id"
    )
    changed, tried = await _owners_changed(reads, now), await _tried(reads, now)
    found: list[Due] = []
    taken: set[tuple[str, str]] = set()
    for row in rows:
        client = client_of(row)
        place = (client.connection_id, client.remote.remote_id)
        policy = known.of(row["connection"], row["slug"], row["remote_id"])
        if place in taken or not policy.store:
            continue
        due: tuple[Any, str, str] | None = None
        if row["credential"] is None:
            due = await _back(reads, client)
        else:
            old = await reads.one("SELECT * FROM sb_credential WHERE id = ?", row["credential"])
            owners = changed.get(client.remote.agent_id, 0)
            if old["id"] in tried:
                # Somebody was told why it did not work: not again and again before they can mend it.
                continue
            if rotation_due(policy, old["created"], old["expires"], now):
                due = (old, SCHEDULE, f"older than {policy.max_age_days} days")
            elif OWNER_CHANGED in policy.signals and owners > old["created"]:
                due = (old, OWNER_CHANGED, "its agent's owners changed")
        if due is not None:
            taken.add(place)
            found.append((client, row["slug"], *due))
    return found


async def _owners_changed(reads: Any, now: int) -> dict[str, int]:
    """When the owners of agents last changed, of the last day."""
    rows = await reads.all(
        "SELECT subject_id, MAX(at) AS at FROM sb_audit WHERE action = 'agent.owners_changed' AND at > ?"
        " GROUP BY subject_id",
        now - DAY,
    )
    return {row["subject_id"]: row["at"] for row in rows}


async def _tried(reads: Any, now: int) -> set[str]:
    """The credentials whose rotation was begun by itself and came to nothing within the last day."""
    rows = await reads.all(
        "SELECT DISTINCT old_id FROM sb_rotation WHERE state IN ('undone', 'refused') AND cause IN (?, ?)"
        " AND old_id IS NOT NULL AND finished > ?",
        SCHEDULE,
        OWNER_CHANGED,
        now - DAY,
    )
    return {row["old_id"] for row in rows}


async def _back(reads: Any, client: Client) -> tuple[Any, str, str] | None:
    """A client that had a credential of ours to revoke, and now has none, of an agent that may act again."""
    row = await reads.one(
        "SELECT COUNT(*) AS n, SUM(CASE WHEN state = 'revoked' THEN 1 ELSE 0 END) AS revoked,"
        " SUM(CASE WHEN state = 'revoking' THEN 1 ELSE 0 END) AS revoking,"
        " (SELECT MAX(o.created) FROM sb_rotation o WHERE o.connection_id = ? AND o.remote_id = ?"
        " AND o.state IN ('undone', 'refused')) AS failed, MAX(revoked) AS latest"
        " FROM sb_credential WHERE connection_id = ? AND client_id = ?",
        client.connection_id,
        client.remote.remote_id,
        client.connection_id,
        client.remote.remote_id,
    )
    if row is None or not row["revoked"] or row["revoking"]:
        return None
    if row["failed"] is not None and row["failed"] > row["latest"]:
        # It was tried, and somebody was told why it did not work.
        return None
    return None, REACTIVATED, "its agent may act again and had no credential left"
