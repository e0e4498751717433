"""What a scan saw of one client, kept in one transaction.

A credential that nobody told us of is a stranger until a person adopts it; one that was revoked and is alive
again is revoked again at once, and somebody is told; one that a rotation of ours left behind is taken away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.credentials import revoke_one
from scim_bridge.registry.keeper import LABEL, VOID, RemoteClient, RemoteCredential

NOBODYS = "its client belongs to no agent"
OFF = "it is switched off there"
APPEARED = "it appeared there, and nobody here made it"
ELSEWHERE = "a bridge made it, and there is no record of that here"
ORPHAN = "a rotation left it behind"
ALIVE = "it was revoked, and is alive again"


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan found at one connection."""

    connection: str
    clients: int = 0
    credentials: int = 0
    new: int = 0
    gone: int = 0
    strangers: int = 0
    revived: int = 0


class Seen:
    """Keeps the credentials of one client in one transaction."""

    def __init__(
        self, work: Work, there: Connection, remote: RemoteClient, agent_id: str, first: bool, before: Scanned
    ) -> None:
        self._work, self._there, self._remote = work, there, remote
        self._agent_id, self._first, self._before = agent_id, first, before
        self._new = self._gone = self._strangers = self._revived = 0

    def total(self, count: int) -> Scanned:
        """The tally with this client's."""
        b = self._before
        return Scanned(
            b.connection,
            b.clients + 1,
            b.credentials + count,
            b.new + self._new,
            b.gone + self._gone,
            b.strangers + self._strangers,
            b.revived + self._revived,
        )

    async def keep(self, found: RemoteCredential, row: Any) -> None:
        """One credential as it is there now."""
        if row is None:
            await self._add(found)
            return
        if row["state"] == "revoked" and found.active and self._remote.enabled:
            await self._alive(found, row)
            return
        state = row["state"]
        if state in ("active", "inactive", "gone"):
            state = "active" if found.active else "inactive"
        stranger = row["stranger"]
        if state != row["state"] or (stranger == NOBODYS and self._agent_id):
            stranger = self._strange(found, new=False)
        self._strangers += stranger is not None
        await self._work.tx.run(
            "UPDATE sb_credential SET agent_id = ?, state = ?, expires = ?, last_used = ?, seen = ?, public = ?,"
            " stranger = ? WHERE id = ?",
            self._agent_id,
            state,
            found.expires,
            found.last_used if found.last_used is not None else row["last_used"],
            self._work.now,
            _public(found, row["public"]),
            stranger,
            row["id"],
        )

    def _strange(self, found: RemoteCredential, *, new: bool) -> str | None:
        if not self._agent_id and not self._remote.shared:
            return NOBODYS
        if not found.active:
            return OFF
        return APPEARED if new and not self._first else None

    async def _add(self, found: RemoteCredential) -> None:
        work = self._work
        labelled = found.label.startswith(LABEL)
        made_by = await self._rotation(found) if labelled else None
        orphan = made_by is not None and made_by["fresh_reference"] not in (None, found.reference)
        if (
            found.label.startswith(VOID)
            or (made_by is not None and not orphan)
            or await self._being_made(found)
        ):
            # Made by a rotation this very moment: its own step writes it down.
            return
        credential_id = work.ids.new()
        stranger = ORPHAN if orphan else self._strange(found, new=True)
        if labelled and not orphan and stranger in (None, APPEARED):
            stranger = ELSEWHERE
        self._new += 1
        self._strangers += stranger is not None
        await work.tx.run(
            "INSERT INTO sb_credential (id, agent_id, label, kind, system, reference, state, created, expires,"
            " connection_id, client_id, origin, last_used, seen, public, stranger)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'scan', ?, ?, ?, ?)",
            credential_id,
            self._agent_id,
            found.label or f"{self._remote.name} {found.kind}",
            found.kind,
            self._there.name,
            found.reference,
            "active" if found.active else "inactive",
            found.created or work.now,
            found.expires,
            self._there.id,
            self._remote.remote_id,
            found.last_used,
            work.now,
            _public(found),
            stranger,
        )
        detail = {
            "agent": self._agent_id,
            "client": self._remote.remote_id,
            "kind": found.kind,
            "reference": found.reference,
        }
        await record(
            work, "credential.discovered", "credential", credential_id, detail, connection_id=self._there.id
        )
        if orphan:
            await revoke_one(work, credential_id, ORPHAN)
        elif stranger == APPEARED or (stranger == ELSEWHERE and not self._first):
            await self._tell("credential.appeared", credential_id, found)

    async def _being_made(self, found: RemoteCredential) -> bool:
        row = await self._work.tx.one(
            "SELECT 1 AS x FROM sb_rotation WHERE connection_id = ? AND remote_id = ? AND kind = ?"
            " AND finished IS NULL AND fresh_reference IS NULL",
            self._there.id,
            self._remote.remote_id,
            found.kind,
        )
        return row is not None

    async def _rotation(self, found: RemoteCredential) -> Any:
        """The rotation whose name it carries; None when there is none here.

        Then another bridge made it, or this one before its database was put back: it may be what an agent uses.
        """
        return await self._work.tx.one(
            "SELECT fresh_reference FROM sb_rotation WHERE id = ?", found.label.removeprefix(LABEL)
        )

    async def gone(self, row: Any) -> None:
        """Somebody took it away there."""
        self._gone += 1
        await self._work.tx.run(
            "UPDATE sb_credential SET state = 'gone', revoked = ?, stranger = NULL WHERE id = ?",
            self._work.now,
            row["id"],
        )
        await record(self._work, "credential.gone", "credential", row["id"], {"reference": row["reference"]})

    async def _alive(self, found: RemoteCredential, row: Any) -> None:
        """Nothing that was revoked comes back."""
        self._revived += 1
        await revoke_one(self._work, row["id"], ALIVE)
        await self._tell("credential.revived", row["id"], found)

    async def _tell(self, action: str, credential_id: str, found: RemoteCredential) -> None:
        work = self._work
        said = {"client": self._remote.name, "kind": found.kind, "reference": found.reference}
        await record(
            work, action, "credential", credential_id, said, outcome="failed", connection_id=self._there.id
        )
        data = {
            "what": action,
            "connection": self._there.name,
            **said,
            "agent": self._agent_id,
        }
        await outward.notify(work, "credential-alert", None, data, subject_id=self._agent_id or credential_id)


def _public(found: RemoteCredential, before: str | None = None) -> str | None:
    # What a rotation wrote down of the key it made is more than an IdP shows.
    told = {**found.public, **(orjson.loads(before) if before else {})}
    return orjson.dumps(told).decode() if told else None
