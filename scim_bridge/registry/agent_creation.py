"""A new agent: its slug, its rows, its people, its audit row."""

from __future__ import annotations

import re
from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.errors import Conflict, Invalid
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_columns import columns_in, workload_id_in
from scim_bridge.registry.agent_names import check_workload_id
from scim_bridge.registry.model import (
    AGENT,
    Doc,
    Owners,
    Pointers,
    Resource,
    pointers,
    served_agent,
    written_agent,
)
from scim_bridge.registry.owning import add_owners, by_role, owners_named
from scim_bridge.registry.resources import insert
from scim_bridge.registry.standing import NOTHING, Standing

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


def slug_of(user_name: str) -> str:
    """A slug from a userName: the part before the @, reduced to a-z, 0-9 and hyphens."""
    reduced = re.sub(r"[^a-z0-9]+", "-", user_name.split("@", 1)[0].casefold()).strip("-")[:64].strip("-")
    return reduced or "agent"


async def create_agent(
    work: Work,
    doc: Doc,
    *,
    origin: str,
    slug: str | None = None,
    owners: Owners | None = None,
    runtime_url: str | None = None,
) -> Resource:
    """Add an agent. `doc` is its SCIM document with userName; Conflict when that, the slug or the workloadId
    is taken.

    Without `owners`, the document's extension (owner, coOwners, sponsors) or manager names them; without
    `slug`, it is made of the userName, another one when that is taken.
    """
    made = await add_agent(work, doc, origin=origin, slug=slug, owners=owners, runtime_url=runtime_url)
    return made.resource


async def add_agent(
    work: Work,
    doc: Doc,
    *,
    origin: str,
    slug: str | None = None,
    owners: Owners | None = None,
    runtime_url: str | None = None,
) -> Standing:
    """The same, answered with how the agent stands."""
    agent_id = work.ids.new()
    if slug is None:
        slug = await free_slug(work, doc, agent_id)
    elif not SLUG.fullmatch(slug):
        raise Invalid(
            "agent-slug", f"{slug!r} is not a slug.", "Use a-z, 0-9 and hyphens, at most 64 characters."
        )
    answerable = await owners_named(work, doc, {}) if owners is None else pointers(owners)
    made = new_agent(agent_id, doc, answerable, slug, runtime_url, work.now)
    await check_workload_id(work, agent_id, workload_id_in(made.resource.doc))
    insert(work, made.resource, made.rendered)
    work.tx.later(INSERT, *agent_row(made, origin), taken=lambda: slug_taken(slug))
    add_owners(work, agent_id, answerable)
    await record(work, "agent.created", AGENT, agent_id, created(made, answerable, origin))
    return made


INSERT = (
    "INSERT INTO sb_agent (id, slug, platform, environment, risk_tier, workload_id, expires_at, runtime_url,"
    " origin, attestation_state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'none')"
)


def new_agent(
    agent_id: str, doc: Doc, answerable: Pointers, slug: str, runtime_url: str | None, now: int
) -> Standing:
    """A new agent as it is going to stand, before anything is written."""
    written = written_agent(doc, answerable)
    resource = Resource(agent_id, AGENT, str(doc["userName"]), True, 1, now, now, written)
    shown = served_agent(agent_id, written, True, NOTHING, now)
    return Standing(resource, shown, slug=slug, runtime_url=runtime_url)


def agent_row(made: Standing, origin: str) -> tuple[Any, ...]:
    """The values of a new agent's row of sb_agent."""
    return (made.resource.id, made.slug, *columns_in(made.resource.doc), made.runtime_url, origin)


def created(made: Standing, answerable: Pointers, origin: str) -> Doc:
    """What the audit says of a new agent."""
    detail = {"userName": made.resource.name, "slug": made.slug, "origin": origin}
    owners = by_role(answerable)
    return {**detail, "owners": owners} if owners else detail


async def free_slug(work: Work, doc: Doc, agent_id: str) -> str:
    """A slug made of the userName that no agent has or had."""
    slug = slug_of(str(doc["userName"]))
    if await work.tx.one("SELECT 1 AS x FROM sb_agent WHERE slug = ?", slug) is not None:
        slug = f"{slug[:51]}-{agent_id[-12:]}"
    return slug


def slug_taken(slug: str) -> Conflict:
    """The refusal for a slug already in use."""
    return Conflict(
        "slug-taken", f"An agent with the slug {slug!r} exists (or existed).", "Choose another slug."
    )
