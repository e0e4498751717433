"""The registry's tables. Text compares bytewise; instants are microseconds; flags are 0 or 1.

Those of callers, of credentials, of saved views and of changes of many agents have files of their own.
"""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy import text as sql_text
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import KEYED, blob, text, text_key, whole
from scim_bridge.registry import bulk_tables as bulk_tables
from scim_bridge.registry import connection_tables as connection_tables
from scim_bridge.registry import credential_tables as credential_tables

LIVE = sql_text("deleted IS NULL")
OPEN = sql_text("released IS NULL")
UNENDED = sql_text("ended IS NULL")
EXPIRES = sql_text("expires_at IS NOT NULL")
ENDS = sql_text("until IS NOT NULL")
WAITING = sql_text("state = 'open'")


class ResourceRow(SQLModel, table=True):
    """An agent, a person or a group: key columns, what was written, and the rendered document."""

    __tablename__ = "sb_resource"
    __table_args__ = (
        Index("sb_resource_key", "space", "key", unique=True),
        Index("sb_resource_page", "space", "id", sqlite_where=LIVE, postgresql_where=LIVE),
        Index("sb_resource_kind", "kind", "id", sqlite_where=LIVE, postgresql_where=LIVE),
        Index("sb_resource_created", "space", "created", "id", sqlite_where=LIVE, postgresql_where=LIVE),
        Index("sb_resource_modified", "space", "modified", "id", sqlite_where=LIVE, postgresql_where=LIVE),
    )

    id: str = text_key()
    # "user" for agents and people (one userName space), "group" for groups.
    space: str = text()
    kind: str = text()
    # The casefolded userName or displayName: unique, and what equality filters look up. What is deleted
    # keeps its own until somebody takes it, and behind a mark (U+001F and its id) from then on.
    key: str = text()
    name: str = text()
    active: int = whole()
    version: int = whole()
    created: int = whole()
    modified: int = whole()
    # What was written (PATCH starts from it) and the document as served, less what is per caller.
    doc: bytes = blob()
    rendered: bytes = blob()
    deleted: int | None = whole(nullable=True)


class AgentRow(SQLModel, table=True):
    """What an agent has beyond its document: the columns that rules and lists ask for."""

    __tablename__ = "sb_agent"
    __table_args__ = (
        Index("sb_agent_slug", "slug", unique=True),
        Index("sb_agent_workload", "workload_id"),
        Index("sb_agent_expires", "expires_at", sqlite_where=EXPIRES, postgresql_where=EXPIRES),
    )

    id: str = text_key()
    slug: str = text()
    platform: str = text()
    environment: str = text()
    risk_tier: str = text()
    workload_id: str | None = text(nullable=True)
    expires_at: int | None = whole(nullable=True)
    runtime_url: str | None = text(nullable=True)
    origin: str = text()
    attestation_state: str = text()
    attestation_id: str | None = text(nullable=True)
    attested_by: str | None = text(nullable=True)
    attested_at: int | None = whole(nullable=True)
    attested_until: int | None = whole(nullable=True)
    last_activity: int | None = whole(nullable=True)


class PersonRow(SQLModel, table=True):
    """What a person has beyond the document: the columns that succession and signals ask for."""

    __tablename__ = "sb_person"
    __table_args__ = (Index("sb_person_email", "email"), Index("sb_person_manager", "manager_id"))

    id: str = text_key()
    email: str = text()
    manager_id: str | None = text(nullable=True)
    department: str | None = text(nullable=True)
    # active, leave, left
    employment: str = text()
    leave_at: int | None = whole(nullable=True)
    time_zone: str | None = text(nullable=True)
    # Since when the news that they left waits for approval: until then they count as here.
    disputed: int | None = whole(nullable=True)


class AttrRow(SQLModel, table=True):
    """An indexed value of a multi-valued attribute: (emails.value, casefolded address)."""

    __tablename__ = "sb_attr"
    __table_args__ = (Index("sb_attr_lookup", "name", "key", "resource_id"), KEYED)

    resource_id: str = text_key()
    name: str = text_key()
    key: str = text_key()


class IndexRow(SQLModel, table=True):
    """How far a declared index is: `building` or `checking`, up to the resource `at`, `ready`, or `stale`.

    Stale is what nobody keeps in step any more.
    """

    __tablename__ = "sb_index"

    name: str = text_key()
    state: str = text()
    at: str = text()
    since: int = whole()


class ExternalRow(SQLModel, table=True):
    """externalId, which belongs to the connection that sent it (RFC 7643 section 3.1)."""

    __tablename__ = "sb_external"
    __table_args__ = (Index("sb_external_value", "connection_id", "space", "external_id", unique=True), KEYED)

    resource_id: str = text_key()
    connection_id: str = text_key()
    space: str = text()
    external_id: str = text()
    since: int = whole()


class MemberRow(SQLModel, table=True):
    """One membership. `kind` is agent, person, group, or unresolved (shown, grants nothing)."""

    __tablename__ = "sb_member"
    __table_args__ = (
        Index("sb_member_of", "member_id", "group_id"),
        Index("sb_member_ends", "until", sqlite_where=ENDS, postgresql_where=ENDS),
        KEYED,
    )

    group_id: str = text_key()
    member_id: str = text_key()
    kind: str = text()
    # The name of the member, which follows it; of an unresolved one, what it came with.
    display: str | None = text(nullable=True)
    since: int = whole()
    added_by: str = text()
    # When it ends by itself, and why it was given for a time. Who leaves and joins again has no end.
    until: int | None = whole(nullable=True)
    why: str | None = text(nullable=True)


class OwnerRow(SQLModel, table=True):
    """A person answerable for an agent: owner (one), co-owner or sponsor, in order of rank."""

    __tablename__ = "sb_owner"
    __table_args__ = (Index("sb_owner_person", "person_id"), KEYED)

    agent_id: str = text_key()
    role: str = text_key()
    person_id: str = text_key()
    rank: int = whole()
    since: int = whole()


class ApplicationAgentRow(SQLModel, table=True):
    """An agent of an application; `type` is owned, authorized, guest or empty (draft-abbey-scim-agent-extension)."""

    __tablename__ = "sb_application_agent"
    __table_args__ = (Index("sb_application_agent_of", "agent_id", "application_id"), KEYED)

    application_id: str = text_key()
    agent_id: str = text_key()
    type: str = text()
    since: int = whole()
    added_by: str = text()


class HoldRow(SQLModel, table=True):
    """One reason why an agent may not act. Open while `released` is null; one per source."""

    __tablename__ = "sb_hold"
    __table_args__ = (
        Index("sb_hold_open", "agent_id", "source", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),
    )

    id: str = text_key()
    agent_id: str = text()
    source: str = text()
    code: str = text()
    reason: str = text()
    release: str = text()
    placed: int = whole()
    placed_by: str = text()
    released: int | None = whole(nullable=True)
    released_by: str | None = text(nullable=True)


class ThrottleRow(SQLModel, table=True):
    """An agent that may act only so often, until an instant. Open while `ended` is null; one per source."""

    __tablename__ = "sb_throttle"
    __table_args__ = (
        Index(
            "sb_throttle_open",
            "agent_id",
            "source",
            unique=True,
            sqlite_where=UNENDED,
            postgresql_where=UNENDED,
        ),
        Index("sb_throttle_until", "until", sqlite_where=UNENDED, postgresql_where=UNENDED),
        Index("sb_throttle_agent", "agent_id", "placed"),
        Index("sb_throttle_placed", "source", "placed"),
    )

    id: str = text_key()
    agent_id: str = text()
    source: str = text()
    code: str = text()
    reason: str = text()
    # So many calls in each `span` microseconds, `burst` of them at once.
    calls: int = whole()
    span: int = whole()
    burst: int = whole()
    placed: int = whole()
    placed_by: str = text()
    until: int = whole()
    ended: int | None = whole(nullable=True)
    # Null: it ended by itself.
    ended_by: str | None = text(nullable=True)


class RecommendationRow(SQLModel, table=True):
    """Advice about one group of one agent: leave it (drop), or another one instead (swap).

    `state` is open, applied, dismissed or outdated; at most one is open for a group of an agent.
    """

    __tablename__ = "sb_recommendation"
    __table_args__ = (
        Index(
            "sb_recommendation_open",
            "agent_id",
            "group_id",
            unique=True,
            sqlite_where=WAITING,
            postgresql_where=WAITING,
        ),
    )

    id: str = text_key()
    agent_id: str = text()
    group_id: str = text()
    kind: str = text()
    instead_id: str | None = text(nullable=True)
    why: str = text()
    # What was counted, as JSON.
    evidence: str = text()
    state: str = text()
    found: int = whole()
    seen: int = whole()
    settled: int | None = whole(nullable=True)
    settled_by: str | None = text(nullable=True)
    settled_why: str | None = text(nullable=True)
