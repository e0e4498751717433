"""Agentic applications: what agents work for, or act in (draft-abbey-scim-agent-extension). Their agents are rows.

An application describes; it stops nobody. Its `active` is administrative, and only holds stop agents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scim_bridge.audit.record import record
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Moved
from scim_bridge.kernel.rows import Insert, among, listed
from scim_bridge.kernel.work import Work
from scim_bridge.registry.model import AGENT, APPLICATION, APPLICATION_URN, Doc, Resource, rendered
from scim_bridge.registry.resources import bury, insert
from scim_bridge.registry.scope import EVERYTHING, Scope
from scim_bridge.registry.standing import Standing, changed

LINKS = Insert(
    "sb_application_agent", "application_id text, agent_id text, type text, since bigint, added_by text"
)
# How many of the agents that came or went are named in the audit.
SHOWN = 100


class Link(NamedTuple):
    """One end of a link as the other end shows it: id, name, and of what kind the link is ("" when unsaid)."""

    id: str
    name: str
    type: str


async def add_application(
    work: Work, doc: Doc, active: bool, agents: Mapping[str, str], *, origin: str
) -> Standing:
    """Add an application with these agents (kind of link by id, all of them known); Conflict when its name is taken."""
    application_id, name = work.ids.new(), str(doc["name"])
    resource = Resource(application_id, APPLICATION, name, active, 1, work.now, work.now, doc)
    made = Standing(resource, rendered(application_id, doc, active, APPLICATION_URN))
    insert(work, resource, made.rendered)
    await record(work, "application.created", APPLICATION, application_id, {"name": name, "origin": origin})
    await link(work, application_id, {}, agents)
    return made


async def described(work: Work, before: Standing, doc: Doc, active: bool) -> Standing:
    """The application with another document and state, to be saved; the same one when nothing changes."""
    old, resource = before.resource.doc, before.resource
    if doc == old and active == resource.active:
        work.bookkeeping("the application is already as asked")
        return before
    detail: Doc = {"attributes": sorted(key for key in {*doc, *old} if doc.get(key) != old.get(key))}
    if active != resource.active:
        detail["active"] = active
    await record(work, "application.updated", APPLICATION, resource.id, detail)
    return changed(before, doc=doc, active=active)


async def link(work: Work, application_id: str, before: Mapping[str, str], after: Mapping[str, str]) -> int:
    """Change an application's agents from one set to another; how many links came, went or changed.

    The version is the caller's to raise.
    """
    gone = sorted(agent for agent, kind in before.items() if after.get(agent) != kind)
    come = sorted(agent for agent, kind in after.items() if before.get(agent) != kind)
    if gone:
        backend = work.tx.backend
        await work.tx.run(
            f"DELETE FROM sb_application_agent WHERE application_id = ? AND agent_id {among(backend)}",
            application_id,
            listed(backend, gone),
        )
    rows = [(application_id, agent, after[agent], work.now, work.actor.name) for agent in come]
    # Somebody adding one of them at the same time makes the body run again, and see that.
    work.tx.add_all(LINKS, rows, taken=Moved)
    if gone or come:
        left, new = [a for a in gone if a not in after], [a for a in come if a not in before]
        detail = {
            "count": len({*gone, *come}),
            "added": new[:SHOWN],
            "removed": left[:SHOWN],
            "changed": [agent for agent in come if agent in before][:SHOWN],
        }
        await record(work, "application.agents_changed", APPLICATION, application_id, detail)
    for agent in {*gone, *come}:
        work.touched(AGENT, agent)
    return len({*gone, *come})


async def known_agents(reader: Reader, ids: Sequence[str], scope: Scope = EVERYTHING) -> frozenset[str]:
    """Those of these ids that live agents inside the scope have."""
    too, values = scope.also("r")
    rows = await reader.all(
        f"SELECT r.id FROM sb_resource r WHERE r.id {among(reader.backend)} AND r.kind = ?"
        f" AND r.deleted IS NULL{too}",
        listed(reader.backend, ids),
        AGENT,
        *values,
    )
    return frozenset(row["id"] for row in rows)


async def agents_of(
    reader: Reader, application_ids: Sequence[str], scope: Scope = EVERYTHING
) -> dict[str, list[Link]]:
    """The agents of applications, by application, in id order, without those outside the scope."""
    too, values = scope.also("r")
    return await _links(
        reader,
        "SELECT l.application_id, r.id, r.name, l.type FROM sb_application_agent l"
        f" CROSS JOIN sb_resource r WHERE l.application_id {among(reader.backend)} AND r.id = l.agent_id"
        f" AND r.deleted IS NULL{too} ORDER BY l.application_id, l.agent_id",
        application_ids,
        values,
    )


async def applications_of(reader: Reader, agent_ids: Sequence[str]) -> dict[str, list[Link]]:
    """The applications agents are in, by agent, in id order."""
    return await _links(
        reader,
        "SELECT l.agent_id, r.id, r.name, l.type FROM sb_application_agent l"
        f" CROSS JOIN sb_resource r WHERE l.agent_id {among(reader.backend)} AND r.id = l.application_id"
        " AND r.deleted IS NULL ORDER BY l.agent_id, l.application_id",
        agent_ids,
        (),
    )


async def _links(
    reader: Reader, sql: str, ids: Sequence[str], values: Sequence[str]
) -> dict[str, list[Link]]:
    found: dict[str, list[Link]] = {}
    for row in await reader.all(sql, listed(reader.backend, ids), *values) if ids else ():
        found.setdefault(row[0], []).append(Link(*row[1:]))
    return found


async def delete_application(work: Work, application: Resource, reason: str) -> None:
    """Remove an application. Its agents stay as they are: it described them and did not make them."""
    rows = await work.tx.all(
        "DELETE FROM sb_application_agent WHERE application_id = ? RETURNING agent_id", application.id
    )
    bury(work, application)
    agents = sorted(row["agent_id"] for row in rows)
    detail = {"name": application.name, "agents": agents[:SHOWN], "count": len(agents), "reason": reason}
    await record(work, "application.deleted", APPLICATION, application.id, detail)
    for agent in agents:
        work.touched(AGENT, agent)
