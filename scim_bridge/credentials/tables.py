"""The credentials room's tables: OAuth clients at IdPs, policies, rotations, scans."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy import text as sql_text
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import blob, text, text_key, whole

OPEN = sql_text("finished IS NULL")


class ClientRow(SQLModel, table=True):
    """An OAuth client at an IdP as it was last seen, and whose it is."""

    __tablename__ = "sb_credential_client"
    __table_args__ = (Index("sb_credential_client_agent", "agent_id"),)

    connection_id: str = text_key()
    remote_id: str = text_key()
    kind: str = text()
    name: str = text()
    # What it is called when it asks for a token.
    client_id: str = text()
    # Empty: nobody's, or shared by so many agents.
    agent_id: str = text()
    shared: int = whole()
    # mark (the IdP says so), link (a person did)
    told_by: str = text()
    enabled: int = whole()
    # JSON: the kinds of credentials that can be added, preferred first.
    kinds: str = text()
    first_seen: int = whole()
    seen: int = whole()


class ScanRow(SQLModel, table=True):
    """The last scan of a connection."""

    __tablename__ = "sb_credential_scan"

    connection_id: str = text_key()
    started: int = whole()
    finished: int | None = whole(nullable=True)
    clients: int = whole()
    credentials: int = whole()
    strangers: int = whole()
    # Why it failed; empty otherwise.
    reason: str = text()


class PolicyRow(SQLModel, table=True):
    """How credentials are rotated: for everything, a connection, an agent, or one client."""

    __tablename__ = "sb_credential_policy"

    # all, connection:NAME, agent:SLUG, client:ID
    subject: str = text_key()
    # JSON of what `policy.Policy` holds.
    content: str = text()
    changed: int = whole()
    changed_by: str = text()


class RotationRow(SQLModel, table=True):
    """One rotation: what was asked for, how far it is, and what is left to do."""

    __tablename__ = "sb_rotation"
    __table_args__ = (
        Index(
            "sb_rotation_open",
            "connection_id",
            "remote_id",
            unique=True,
            sqlite_where=OPEN,
            postgresql_where=OPEN,
        ),
        Index("sb_rotation_agent", "agent_id", "created"),
    )

    id: str = text_key()
    connection_id: str = text()
    client_kind: str = text()
    remote_id: str = text()
    client_name: str = text()
    client_id: str = text()
    agent_id: str = text()
    slug: str = text()
    kind: str = text()
    # The credential that is replaced; null when an agent gets a first or a new one.
    old_id: str | None = text(nullable=True)
    old_reference: str | None = text(nullable=True)
    old_kind: str | None = text(nullable=True)
    # demand, schedule, leak, anomaly, owner-changed, reactivated
    cause: str = text()
    reason: str = text()
    state: str = text()
    created: int = whole()
    step_at: int = whole()
    # JSON of the policy it goes by, with the target filled in.
    policy: str = text()
    # JSON of what may be known of the new one: kid, jwk, certificate, thumbprint.
    public: str = text()
    # The new one's value, sealed, while it has to wait; wiped once it is delivered.
    sealed: bytes | None = blob(nullable=True)
    fresh_id: str | None = text(nullable=True)
    fresh_reference: str | None = text(nullable=True)
    fresh_expires: int | None = whole(nullable=True)
    version: str | None = text(nullable=True)
    delivered: int | None = whole(nullable=True)
    confirmed: int | None = whole(nullable=True)
    confirmed_by: str | None = text(nullable=True)
    # What is left, or why it ended so.
    note: str = text()
    tries: int = whole()
    finished: int | None = whole(nullable=True)
