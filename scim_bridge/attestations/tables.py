"""The attestations' tables: who was asked, and what was stated about which facts."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy import text as sql_text
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import text, text_key, whole

OPEN = sql_text("closed IS NULL")
CURRENT = sql_text("ended IS NULL")
WAITING = sql_text("state = 'waiting'")


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
    # Who handed the question on, and whether the agent goes with it once the asked person confirms.
    passed_by: str | None = text(nullable=True)
    transfer: int | None = whole(nullable=True)
    # Closed once: answered, replaced (by a newer request), passed on or withdrawn.
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
    # When its owner was told that it is about to run out.
    warned: int | None = whole(nullable=True)


class CampaignRow(SQLModel, table=True):
    """A round of asking many owners; its dates and policy are fixed when it opens."""

    __tablename__ = "sb_campaign"
    __table_args__ = (Index("sb_campaign_schedule", "schedule", "opened"),)

    id: str = text_key()
    name: str = text()
    # scheduled, event, ad-hoc
    kind: str = text()
    # The schedule of the settings it came from; empty otherwise.
    schedule: str = text()
    scope: str = text()
    reason: str = text()
    # opening, open, closed, cancelled
    state: str = text()
    opened: int = whole()
    opened_by: str = text()
    due: int = whole()
    # JSON: days of reminders, escalation and grace.
    policy: str = text()
    # While it opens: the last agent that was looked at.
    cursor: str = text()
    total: int = whole()
    closed: int | None = whole(nullable=True)


class CampaignItemRow(SQLModel, table=True):
    """One agent of a campaign: who is asked, how it was answered, what is done next and when."""

    __tablename__ = "sb_campaign_item"
    __table_args__ = (
        Index("sb_campaign_item_next", "next_at", sqlite_where=WAITING, postgresql_where=WAITING),
        Index("sb_campaign_item_agent", "agent_id", sqlite_where=WAITING, postgresql_where=WAITING),
    )

    campaign_id: str = text_key()
    agent_id: str = text_key()
    slug: str = text()
    # Whose answer is waited for; empty while nobody active answers for the agent.
    person_id: str = text()
    state: str = text()
    # How many steps of the campaign's plan are done, and when the next one is.
    step: int = whole()
    next_at: int = whole()
    # The last step in words, for people.
    note: str = text()
    settled: int | None = whole(nullable=True)
