"""Who a person at an IdP is here: by the id the IdP's provisioning gave them, never by an e-mail address."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.sql import marks
from scim_bridge.registry.connection_settings import PEOPLE_BY
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.model import PERSON, fold
from scim_bridge.registry.news import RemotePerson, There

BY_ID = "externalId"
BY_MEMORY = "known since an earlier reading"
BY_NAME = "userName"


@dataclass(frozen=True, slots=True)
class Meant:
    """Who is meant: a person's id and how that is known, or None and why nobody certain is (`unclear`)."""

    person_id: str | None
    how: str
    unclear: bool = False


NOBODY = Meant(None, "nobody here is called so by this connection")


async def whom(reader: Reader, connection: Connection, remote: RemotePerson, known: str | None) -> Meant:
    """The one person certainly meant. `known` is who they were when last read.

    By the connection's externalId; else as known before; else, unless the connection wants externalIds
    only, by a userName that is their login there, of somebody who is nobody else at a tenant of this kind.
    """
    found = await _called(reader, connection, remote)
    if found is not None:
        return found
    if known is not None:
        alive = await reader.one(
            "SELECT 1 AS x FROM sb_resource WHERE id = ? AND kind = ? AND deleted IS NULL", known, PERSON
        )
        if alive is not None:
            return Meant(known, BY_MEMORY)
    # Of somebody who is not there the login is hearsay: it would let an event name anybody.
    if remote.there is There.ABSENT or not remote.login:
        return NOBODY
    if connection.settings.get("people_by", PEOPLE_BY[0]) != PEOPLE_BY[0]:
        return NOBODY
    return await _named(reader, connection, remote)


async def _called(reader: Reader, connection: Connection, remote: RemotePerson) -> Meant | None:
    names = (remote.remote_id, *(name for name in remote.called if name != remote.remote_id))
    rows = await reader.all(
        "SELECT r.id, r.kind, r.key, e.external_id FROM sb_external e JOIN sb_resource r ON r.id = e.resource_id"
        f" WHERE e.connection_id = ? AND e.space = 'user' AND e.external_id IN ({marks(len(names))})"
        " AND r.deleted IS NULL",
        connection.id,
        *names,
    )
    exact = [row for row in rows if row["external_id"] == remote.remote_id]
    # A nickname or a number may be another person's by chance: the login has to agree.
    agreed = [row for row in rows if row["key"] == fold(remote.login)]
    chosen = exact or agreed
    if not rows:
        return None
    if not chosen:
        return Meant(None, "an externalId fits somebody whose userName is another", unclear=True)
    if len({row["id"] for row in chosen}) > 1:
        return Meant(None, "several people here could be meant", unclear=True)
    if chosen[0]["kind"] != PERSON:
        return Meant(None, "an agent, not a person")
    return Meant(chosen[0]["id"], BY_ID)


async def _named(reader: Reader, connection: Connection, remote: RemotePerson) -> Meant:
    row = await reader.one(
        "SELECT id FROM sb_resource WHERE space = 'user' AND key = ? AND kind = ? AND deleted IS NULL",
        fold(remote.login),
        PERSON,
    )
    if row is None:
        return NOBODY
    other = await reader.one(
        "SELECT c.name FROM sb_external e JOIN sb_connection c ON c.id = e.connection_id"
        " WHERE e.resource_id = ? AND c.kind = ?"
        " UNION ALL SELECT c.name FROM sb_remote_person p JOIN sb_connection c ON c.id = p.connection_id"
        " WHERE p.person_id = ? AND c.kind = ? AND NOT (c.id = ? AND p.remote_id = ?)",
        row["id"],
        connection.kind,
        row["id"],
        connection.kind,
        connection.id,
        remote.remote_id,
    )
    if other is not None:
        said = f"{remote.login} is the userName of somebody who is another one at {other['name']}"
        return Meant(None, said, unclear=True)
    return Meant(row["id"], BY_NAME)
