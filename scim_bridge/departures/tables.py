"""The departures' tables: cases, what was decided per agent, receipts."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import text, text_key, whole


class DepartureRow(SQLModel, table=True):
    """The case of one leaver. Names are kept as they were: the person may be deleted later."""

    __tablename__ = "sb_departure"
    __table_args__ = (
        Index("sb_departure_person", "person_id", "heard_at"),
        Index("sb_departure_state", "state", "effective_at"),
    )

    id: str = text_key()
    person_id: str = text()
    person: str = text()
    display_name: str = text()
    # planned, cancelled, open, stuck, closed
    state: str = text()
    source: str = text()
    # JSON list of the doors that say the person is gone and did not take it back.
    gone_by: str = text()
    immediate: int = whole()
    signal_at: int = whole()
    heard_at: int = whole()
    effective_at: int = whole()
    decided_at: int | None = whole(nullable=True)
    closed_at: int | None = whole(nullable=True)
    note: str = text()


class DepartureAgentRow(SQLModel, table=True):
    """What was decided about one agent of a case, and what an admin made of it later."""

    __tablename__ = "sb_departure_agent"
    __table_args__ = (Index("sb_departure_agent_agent", "agent_id"),)

    case_id: str = text_key()
    agent_id: str = text_key()
    slug: str = text()
    role: str = text()
    # handed-over, held, relieved
    fate: str = text()
    reason: str = text()
    successor: str | None = text(nullable=True)
    proposed: str | None = text(nullable=True)
    decided: int = whole()
    resolved: int | None = whole(nullable=True)
    resolved_to: str | None = text(nullable=True)


class ReceiptRow(SQLModel, table=True):
    """The receipt of a closed case: content fixed when it closed, then signed."""

    __tablename__ = "sb_receipt"
    __table_args__ = (Index("sb_receipt_signed", "signed"),)

    case_id: str = text_key()
    content: str = text()
    issued: int = whole()
    within_budget: int = whole()
    milliseconds: int = whole()
    steps: int = whole()
    # The signed statement (compact JWS); null for the moment between closing and signing.
    statement: str | None = text(nullable=True)
    signed: int | None = whole(nullable=True)
