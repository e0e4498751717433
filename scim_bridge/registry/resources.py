"""Loading and storing resources: the one place where a document, its keys and its version change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from scim_bridge.kernel import counters
from scim_bridge.kernel.database import Later, Reader
from scim_bridge.kernel.errors import Conflict, Moved, NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.registry.model import (
    APPLICATION,
    APPLICATION_SPACE,
    GROUP,
    GROUP_SPACE,
    USER_SPACE,
    Resource,
    fold,
    indexed,
)

# Between the name that something deleted had, which is somebody else's now, and its id.
MARK = "\x1f"
SPACES = {GROUP: GROUP_SPACE, APPLICATION: APPLICATION_SPACE}
# What the names of a space are called on the outside.
NAMED = {GROUP_SPACE: "displayName", APPLICATION_SPACE: "name"}
COLUMNS = "id, kind, name, active, version, created, modified, doc"


def resource_of(row: Any) -> Resource:
    """A row of sb_resource as a value."""
    return Resource(
        row["id"],
        row["kind"],
        row["name"],
        bool(row["active"]),
        row["version"],
        row["created"],
        row["modified"],
        orjson.loads(row["doc"]),
    )


def space_of(kind: str) -> str:
    """The name space a kind shares: agents and people have one userName space."""
    return SPACES.get(kind, USER_SPACE)


async def find(reader: Reader, resource_id: str, *, lock: str = "") -> Resource | None:
    """The live resource with this id, or None."""
    row = await reader.one(
        f"SELECT {COLUMNS} FROM sb_resource WHERE id = ? AND deleted IS NULL{lock}", resource_id
    )
    return None if row is None else resource_of(row)


async def lock(work: Work, resource_id: str) -> None:
    """Until this transaction ends nobody changes this resource or makes it a member of a group.

    Who deletes it begins with this, and what is read after it holds: whoever made it a member before is
    done. SQLite has one writer anyway.
    """
    if work.tx.for_update:
        await work.tx.one(f"SELECT id FROM sb_resource WHERE id = ?{work.tx.for_update}", resource_id)


async def keep(work: Work, resource_id: str) -> bool:
    """Until this transaction ends nobody deletes this resource; Moved when somebody has. True when it is active.

    It may be changed: by this transaction, or by others, but nobody has it leave (departures lock who does).
    """
    lock = " FOR KEY SHARE" if work.tx.for_update else ""
    row = await work.tx.one(
        f"SELECT active FROM sb_resource WHERE id = ? AND deleted IS NULL{lock}", resource_id
    )
    if row is None:
        raise Moved
    return bool(row["active"])


async def load(work: Work, resource_id: str, *kinds: str) -> Resource:
    """The live resource, locked for this transaction; NotFound when absent or of another kind."""
    found = await find(work.tx, resource_id, lock=work.tx.for_update)
    if found is None or (kinds and found.kind not in kinds):
        raise NotFound(
            "resource-unknown", f"There is no {' or '.join(kinds) or 'resource'} with id {resource_id!r}."
        )
    return found


async def by_name(reader: Reader, space: str, name: str) -> Resource | None:
    """The live resource with this userName (space "user") or displayName (space "group")."""
    row = await reader.one(
        f"SELECT {COLUMNS} FROM sb_resource WHERE space = ? AND key = ? AND deleted IS NULL",
        space,
        fold(name),
    )
    return None if row is None else resource_of(row)


async def by_external_id(reader: Reader, connection_id: str, space: str, external_id: str) -> Resource | None:
    """The live resource this connection knows by this externalId (caseExact, RFC 7643 section 3.1)."""
    row = await reader.one(
        f"SELECT {', '.join('r.' + c for c in COLUMNS.split(', '))} FROM sb_external e"
        " JOIN sb_resource r ON r.id = e.resource_id"
        " WHERE e.connection_id = ? AND e.space = ? AND e.external_id = ? AND r.deleted IS NULL",
        connection_id,
        space,
        external_id,
    )
    return None if row is None else resource_of(row)


def taken(name: str, space: str) -> Conflict:
    """The refusal for a name already in use."""
    attribute = NAMED.get(space, "userName")
    return Conflict(
        "name-taken", f"{attribute} {name!r} is already in use.", "Look it up and update it instead."
    )


def insert(work: Work, resource: Resource, served: bytes) -> None:
    """Add a resource; Conflict when its name is taken."""
    space = space_of(resource.kind)
    work.tx.later(INSERT, *resource_row(resource, served), taken=lambda: taken(resource.name, space))
    counted(work, resource.kind, 1)
    index(work, resource.id, set(), indexed(resource.doc, work.indexes))
    work.touched(resource.kind, resource.id)


MARKED = f", key = key || '{MARK}' || id"
INSERT = (
    "INSERT INTO sb_resource (id, space, kind, key, name, active, version, created, modified, doc, rendered)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
INSERT_ATTR = "INSERT INTO sb_attr (resource_id, name, key) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"


def resource_row(resource: Resource, served: bytes) -> tuple[Any, ...]:
    """The values of a resource's row."""
    return (
        resource.id,
        space_of(resource.kind),
        resource.kind,
        fold(resource.name),
        resource.name,
        int(resource.active),
        resource.version,
        resource.created,
        resource.modified,
        orjson.dumps(resource.doc),
        served,
    )


def counted(work: Work, kind: str, amount: int) -> None:
    """Keep the totals of the kind and of its name space, which are one and the same for groups."""
    counters.add_all(work.tx, {f"live:{kind}": amount, f"live:{space_of(kind)}": amount})


def says_the_same(stored: bytes, served: bytes) -> bool:
    """True when two renderings differ in nothing but the order of members, which clients choose."""
    return stored == served or bool(orjson.loads(stored) == orjson.loads(served))


def index(work: Work, resource_id: str, before: set[tuple[str, str]], after: set[tuple[str, str]]) -> None:
    """Bring the rows that equality filters look up in step with a changed document."""
    for name, key in before - after:
        work.tx.later(
            "DELETE FROM sb_attr WHERE resource_id = ? AND name = ? AND key = ?", resource_id, name, key
        )
    for name, key in after - before:
        work.tx.later(INSERT_ATTR, resource_id, name, key)


def bump(work: Work, resource_id: str, kind: str) -> Later:
    """Raise a resource's version after a change that is not in its document; the version it becomes."""
    work.touched(kind, resource_id)
    return work.tx.later(
        "UPDATE sb_resource SET version = version + 1, modified = ? WHERE id = ? RETURNING version",
        work.now,
        resource_id,
    )


def after_mark(key: str) -> str:
    """What stands behind every key that begins with this one and a mark."""
    return key + chr(ord(MARK) + 1)


def bury(work: Work, resource: Resource) -> None:
    """Hide a resource: its names are free again, its id is nobody else's ever (IPSIE AL1).

    An agent or person keeps the names until somebody takes them, and may come back (registry/graves.py).
    """
    comes_back = space_of(resource.kind) == USER_SPACE
    work.tx.later(
        f"UPDATE sb_resource SET deleted = ?, active = 0{'' if comes_back else MARKED}"
        " WHERE id = ? AND deleted IS NULL",
        work.now,
        resource.id,
        must=1,
    )
    if not comes_back:
        work.tx.later("DELETE FROM sb_external WHERE resource_id = ?", resource.id)
    work.tx.later("DELETE FROM sb_attr WHERE resource_id = ?", resource.id)
    counted(work, resource.kind, -1)
    work.touched(resource.kind, resource.id)


def set_external_id(
    work: Work, resource: Resource, connection_id: str, before: str | None, after: str | None
) -> bool:
    """Record what a connection calls a resource; False when it does already. Conflict when it names another."""
    if before == after:
        return False
    if after is None:
        work.tx.later(
            "DELETE FROM sb_external WHERE resource_id = ? AND connection_id = ?", resource.id, connection_id
        )
        return True
    work.tx.later(
        INSERT_EXTERNAL
        + " ON CONFLICT (resource_id, connection_id) DO UPDATE SET external_id = excluded.external_id,"
        " since = excluded.since",
        *external_row(resource, connection_id, after, work.now),
        taken=lambda: external_id_taken(after),
    )
    return True


def external_row(resource: Resource, connection_id: str, external_id: str, now: int) -> tuple[Any, ...]:
    """The values of a row of sb_external."""
    return (resource.id, connection_id, space_of(resource.kind), external_id, now)


INSERT_EXTERNAL = (
    "INSERT INTO sb_external (resource_id, connection_id, space, external_id, since) VALUES (?, ?, ?, ?, ?)"
)


def external_id_taken(external_id: str) -> Conflict:
    """The refusal for an externalId already in use."""
    return Conflict(
        "external-id-taken",
        f"externalId {external_id!r} already names another resource of this connection.",
        "An externalId belongs to one resource; look it up with a filter.",
    )


async def external_ids(reader: Reader, connection_id: str, ids: Iterable[str]) -> dict[str, str]:
    """externalId by resource id, as one connection knows them."""
    wanted = list(ids)
    if not wanted:
        return {}
    rows = await reader.all(
        "SELECT resource_id, external_id FROM sb_external WHERE connection_id = ?"
        f" AND resource_id IN ({', '.join('?' * len(wanted))})",
        connection_id,
        *wanted,
    )
    return {row["resource_id"]: row["external_id"] for row in rows}
