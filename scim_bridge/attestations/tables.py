"""The attestations' tables: who was asked, and what was stated about which facts."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy import text as sql_text
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import text, text_key, whole

OPEN = sql_text("closed IS NULL")
CURRENT = sql_text("ended IS NULL")


class AttestationRequestRow(SQLModel, table=True):
    """One person asked about one agent. The link's token is derived from it and stored nowhere."""

    __tablename__ = "sb_attestation_request"
    __table_args__ = (
        Index(
            "sb_attestation_request_open",
            "agent_id",
            "person_id",
            unique=True,
            sqlite_where=OPEN,
            postgresql_where=OPEN,
        ),
    )

    id: str = text_key()
    agent_id: str = text()
    person_id: str = text()
    created: int = whole()
    created_by: str = text()
    expires: int = whole()
    # Closed once: answered, replaced (by a newer request) or withdrawn.
    closed: int | None = whole(nullable=True)
    closed_why: str | None = text(nullable=True)


class AttestationRow(SQLModel, table=True):
    """A signed statement with the facts it is about. Never changed but for `ended`."""

    __tablename__ = "sb_attestation"
    __table_args__ = (
        Index("sb_attestation_agent", "agent_id", "at"),
        Index("sb_attestation_due", "until", sqlite_where=CURRENT, postgresql_where=CURRENT),
    )

    id: str = text_key()
    request_id: str = text()
    agent_id: str = text()
    person_id: str = text()
    verdict: str = text()
    comment: str = text()
    at: int = whole()
    until: int | None = whole(nullable=True)
    digest: str = text()
    # Canonical JSON: the bytes the digest was made of.
    facts: str = text()
    # Compact JWS.
    statement: str = text()
    # When it stopped being the agent's current statement: a newer one, or its end.
    ended: int | None = whole(nullable=True)
