"""Many new agents and people at once: a few statements for all of them, each with its audit row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scim_bridge.audit.record import record_all
from scim_bridge.kernel import counters
from scim_bridge.kernel.rows import Insert, among, listed
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_creation import agent_row, created
from scim_bridge.registry.model import AGENT, PERSON, Doc, Pointers, indexed, pointer
from scim_bridge.registry.people import person_row
from scim_bridge.registry.people_refs import PERSON_COLUMNS, ref_of
from scim_bridge.registry.resources import external_row, resource_row, space_of
from scim_bridge.registry.standing import Standing

RESOURCES = Insert(
    "sb_resource",
    "id text, space text, kind text, key text, name text, active bigint, version bigint, created bigint,"
    " modified bigint, doc bytea, rendered bytea",
)
AGENTS = Insert(
    "sb_agent",
    "id text, slug text, platform text, environment text, risk_tier text, workload_id text, expires_at bigint,"
    " runtime_url text, origin text, attestation_state text",
)
PEOPLE = Insert(
    "sb_person",
    "id text, email text, manager_id text, department text, employment text, time_zone text",
)
ATTRS = Insert("sb_attr", "resource_id text, name text, key text")
EXTERNALS = Insert(
    "sb_external", "resource_id text, connection_id text, space text, external_id text, since bigint"
)
OWNERS = Insert("sb_owner", "agent_id text, role text, person_id text, rank bigint, since bigint")


NOBODY = Pointers()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A new agent or person as it is going to stand, and who answers for it or manages it.

    The externalId in the standing is what the actor's connection calls it.
    """

    standing: Standing
    answerable: Pointers = NOBODY
    manager_id: str | None = None


def arrive(
    work: Work, arrivals: Sequence[Arrival], origin: str, *, taken: Callable[[], Exception] | None = None
) -> None:
    """Add all of these; `taken` makes the refusal when a name, slug or externalId of one is in use."""
    if not arrivals:
        return
    resources = [one.standing.resource for one in arrivals]
    agents = [one for one in arrivals if one.standing.resource.kind == AGENT]
    people = [one for one in arrivals if one.standing.resource.kind == PERSON]
    add = work.tx.add_all
    rows = [resource_row(one.standing.resource, one.standing.rendered) for one in arrivals]
    add(RESOURCES, rows, taken=taken)
    add(AGENTS, [(*agent_row(one.standing, origin), "none") for one in agents], taken=taken)
    add(PEOPLE, [person_row(one.standing, one.manager_id) for one in people])
    keys = [(r.id, name, key) for r in resources for name, key in sorted(indexed(r.doc, work.indexes))]
    add(ATTRS, keys)
    add(EXTERNALS, list(_externals(work, arrivals)), taken=taken)
    add(OWNERS, [(one.standing.resource.id, *row, work.now) for one in agents for row in one.answerable.rows])
    record_all(work, [_told(one, origin) for one in arrivals])
    totals = Counter(f"live:{name}" for r in resources for name in (r.kind, space_of(r.kind)))
    counters.add_all(work.tx, totals)
    for resource in resources:
        work.touched(resource.kind, resource.id)


def _externals(work: Work, arrivals: Iterable[Arrival]) -> Iterable[tuple[Any, ...]]:
    connection_id = work.actor.connection_id
    for one in arrivals:
        external_id = one.standing.external_id
        if connection_id is not None and external_id is not None:
            yield external_row(one.standing.resource, connection_id, external_id, work.now)


def _told(one: Arrival, origin: str) -> tuple[str, str, str, Mapping[str, Any]]:
    resource = one.standing.resource
    if resource.kind == AGENT:
        return "agent.created", AGENT, resource.id, created(one.standing, one.answerable, origin)
    return "person.created", PERSON, resource.id, {"userName": resource.name, "origin": origin}


async def pointers_to(work: Work, ids: Iterable[str], *, active: bool = False) -> dict[str, Doc]:
    """How documents point to these people, by id, for those that are live people, or that are `active` too.

    Those who are active stay so, and are not deleted, until this transaction ends.
    """
    backend = work.tx.backend
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    rows = await work.tx.all(
        f"SELECT {PERSON_COLUMNS} FROM sb_resource WHERE id {among(backend)} AND kind = ? AND deleted IS NULL"
        + (" ORDER BY id FOR KEY SHARE" if active and work.tx.for_update else ""),
        listed(backend, wanted),
        PERSON,
    )
    rows = [row for row in rows if row["active"] or not active]
    return {row["id"]: pointer(ref_of(row)) for row in rows}


async def in_use(
    work: Work, space: str, keys: Iterable[str], external_ids: Iterable[str], slugs: Iterable[str]
) -> dict[str, set[str]]:
    """Which of these are taken: "key" (casefolded names), "external" (of the actor's connection), "slug".

    "agent" and "person" are names of the key that somebody deleted keeps, who may come back.
    """
    backend = work.tx.backend
    rows = await work.tx.all(
        "SELECT CASE WHEN deleted IS NULL THEN 'key' ELSE kind END AS what, key AS value FROM sb_resource"
        f" WHERE space = ? AND key {among(backend)}"
        " UNION ALL SELECT 'external', external_id FROM sb_external"
        f" WHERE connection_id = ? AND space = ? AND external_id {among(backend)}"
        f" UNION ALL SELECT 'slug', slug FROM sb_agent WHERE slug {among(backend)}",
        space,
        listed(backend, keys),
        work.actor.connection_id or "",
        space,
        listed(backend, external_ids),
        listed(backend, slugs),
    )
    found: dict[str, set[str]] = {what: set() for what in ("key", "external", "slug", AGENT, PERSON)}
    for row in rows:
        found[row["what"]].add(row["value"])
    return found
