"""One resource with all that a change to it needs: read at once, changed in memory, written at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.sql import gathered
from scim_bridge.kernel.work import Work
from scim_bridge.registry.memberships import Membership, gathered_groups, groups_in
from scim_bridge.registry.model import (
    AGENT,
    APPLICATION,
    APPLICATION_URN,
    GROUP,
    USER_SPACE,
    Attestation,
    Derived,
    Doc,
    Hold,
    Resource,
    fold,
    indexed,
    rendered,
    served_agent,
)
from scim_bridge.registry.resources import MARK, NAMED, after_mark, index, resource_of, space_of, taken
from scim_bridge.registry.scope import EVERYTHING, Scope

NOTHING = Derived()


@dataclass(frozen=True, slots=True)
class Standing:
    """An agent, person or group as it stands, or as a change is going to leave it.

    `external_id` is what the connection it was read for calls it; `groups` are those it is in directly.
    `rendered` is the document as served, as of the last write.
    """

    resource: Resource
    rendered: bytes
    derived: Derived = NOTHING
    slug: str = ""
    runtime_url: str | None = None
    external_id: str | None = None
    groups: tuple[Membership, ...] = ()

    def held_by(self, source: str) -> Hold | None:
        """The open hold of this source."""
        return next((hold for hold in self.derived.holds if hold.source == source), None)


@lru_cache(maxsize=64)
def _query(backend: str, for_connection: bool, within: str) -> str:
    columns = [
        "r.id, r.kind, r.name, r.active, r.version, r.created, r.modified, r.doc, r.rendered",
        "a.slug, a.runtime_url, a.last_activity, a.attestation_state, a.attestation_id, a.attested_by",
        "a.attested_at, a.attested_until",
        gathered(
            backend,
            "h.id, h.source, h.code, h.reason, h.release, h.placed, h.placed_by",
            "sb_hold h WHERE h.agent_id = r.id AND h.released IS NULL",
        )
        + " AS holds",
        "(SELECT MIN(c.created) FROM sb_credential c WHERE c.agent_id = r.id AND c.state = 'active') AS oldest",
    ]
    if for_connection:
        named = "sb_external e WHERE e.resource_id = r.id AND e.connection_id = ?"
        groups = gathered_groups(backend, "r.id")
        columns += [f"{groups} AS groups", f"(SELECT e.external_id FROM {named}) AS external_id"]
    return (
        f"SELECT {', '.join(columns)} FROM sb_resource r LEFT JOIN sb_agent a ON a.id = r.id"
        f" WHERE r.id = ? AND r.deleted IS NULL{within}"
    )


async def standing(
    work: Work, resource_id: str, *kinds: str, connection_id: str | None = None, scope: Scope = EVERYTHING
) -> Standing:
    """How a live resource stands; NotFound when absent, of another kind or an agent outside the scope.

    It is not locked: `save` makes the transaction run again when somebody else was faster, and then it is.
    """
    if work.tx.contended:
        # Locked by a statement of its own: one that also reads other tables would not see what
        # was committed to those while it waited. Who makes it a member of a group need not wait.
        await work.tx.one("SELECT id FROM sb_resource WHERE id = ? FOR NO KEY UPDATE", resource_id)
    within, inside = scope.also("r")
    values = (resource_id,) if connection_id is None else (connection_id, resource_id)
    row = await work.tx.one(_query(work.tx.backend, connection_id is not None, within), *values, *inside)
    if row is None or (kinds and row["kind"] not in kinds):
        raise NotFound(
            "resource-unknown", f"There is no {' or '.join(kinds) or 'resource'} with id {resource_id!r}."
        )
    agent = row["kind"] == AGENT
    derived = NOTHING
    if agent:
        derived = Derived(_holds(row["holds"]), attestation_of(row), row["oldest"], row["last_activity"])
    external_id: str | None = None
    groups: tuple[Membership, ...] = ()
    if connection_id is not None:
        external_id, groups = row["external_id"], tuple(groups_in(row["groups"]))
    return Standing(
        resource_of(row),
        bytes(row["rendered"]),
        derived,
        row["slug"] if agent else "",
        row["runtime_url"] if agent else None,
        external_id,
        groups,
    )


def _rows(text: str | None) -> Sequence[Any]:
    found: Sequence[Any] = orjson.loads(text) if text else ()
    return found


def _holds(text: str | None) -> tuple[Hold, ...]:
    return tuple(sorted((Hold(*row) for row in _rows(text)), key=lambda hold: (hold.placed, hold.id)))


def attestation_of(row: Any) -> Attestation:
    """The attestation columns of a row of sb_agent."""
    return Attestation(
        row["attestation_state"],
        row["attestation_id"],
        row["attested_by"],
        row["attested_at"],
        row["attested_until"],
    )


def served(of: Standing, now: int) -> bytes:
    """Its document as served, less what depends on the caller."""
    resource = of.resource
    if resource.kind == AGENT:
        return served_agent(resource.id, resource.doc, resource.active, of.derived, now)
    if resource.kind == APPLICATION:
        return rendered(resource.id, resource.doc, resource.active, APPLICATION_URN)
    return rendered(resource.id, resource.doc, None if resource.kind == GROUP else resource.active)


def changed(
    of: Standing, *, doc: Doc | None = None, active: bool | None = None, derived: Derived | None = None
) -> Standing:
    """The same with another document, state or derived facts; an agent is active exactly when it has no hold."""
    told = of.derived if derived is None else derived
    kept = of.resource.doc if doc is None else doc
    resource = of.resource
    name = str(kept[NAMED.get(space_of(resource.kind), "userName")])
    state = resource.active if active is None else active
    if resource.kind == AGENT:
        state = not told.holds
    return _with(of, _resource(resource, kept, name, state, resource.version, resource.modified), told)


def _resource(of: Resource, doc: Doc, name: str, active: bool, version: int, modified: int) -> Resource:
    # `dataclasses.replace` takes ten times as long, and every write comes by here three times.
    return Resource(of.id, of.kind, name, active, version, of.created, modified, doc)


def _with(of: Standing, resource: Resource, derived: Derived, rendered: bytes | None = None) -> Standing:
    shown = of.rendered if rendered is None else rendered
    return Standing(resource, shown, derived, of.slug, of.runtime_url, of.external_id, of.groups)


# Without the name where that stays: SQLite writes an index anew for every column of it that is set.
UPDATE = (
    "UPDATE sb_resource SET {name}active = ?, version = version + 1, modified = ?, doc = ?, rendered = ?"
    " WHERE id = ? AND version = ?"
)

# What was deleted leaves its name to who is called so now, and has it again when they are called otherwise.
LEAVE_IT = (
    f"UPDATE sb_resource SET key = key || '{MARK}' || id"
    f" WHERE space = '{USER_SPACE}' AND key = ? AND deleted IS NOT NULL"
)
HAVE_IT_AGAIN = (
    f"UPDATE sb_resource SET key = ? WHERE id = (SELECT id FROM sb_resource WHERE space = '{USER_SPACE}'"
    " AND key > ? AND key < ? AND deleted IS NOT NULL ORDER BY key DESC LIMIT 1)"
)


def save(work: Work, before: Standing, after: Standing) -> Standing:
    """Write a changed resource and raise its version; it as it is then. Conflict when its name is taken.

    Whether there is a change to write is for the caller to know.
    """
    resource, now = after.resource, work.now
    shown = served(after, now)
    values = (
        int(resource.active),
        now,
        orjson.dumps(resource.doc),
        shown,
        resource.id,
        before.resource.version,
    )
    if resource.name == before.resource.name:
        work.tx.later(UPDATE.format(name=""), *values, must=1)
    else:
        renaming = space_of(resource.kind) == USER_SPACE and fold(resource.name) != fold(before.resource.name)
        if renaming:
            work.tx.later(LEAVE_IT, fold(resource.name))
        work.tx.later(
            UPDATE.format(name="key = ?, name = ?, "),
            fold(resource.name),
            resource.name,
            *values,
            must=1,
            taken=lambda: taken(resource.name, space_of(resource.kind)),
        )
        if renaming:
            key = fold(before.resource.name)
            work.tx.later(HAVE_IT_AGAIN, key, key + MARK, after_mark(key))
    if before.resource.doc is not resource.doc:
        there = indexed(before.resource.doc, work.indexes)
        index(work, resource.id, there, indexed(resource.doc, work.indexes))
    if before.resource.name != resource.name:
        work.tx.later("UPDATE sb_member SET display = ? WHERE member_id = ?", resource.name, resource.id)
    work.touched(resource.kind, resource.id)
    saved = _resource(
        resource, resource.doc, resource.name, resource.active, before.resource.version + 1, now
    )
    return _with(after, saved, after.derived, shown)
