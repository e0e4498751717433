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
        Index("sb_departure_counted", "counted"),
        Index("sb_departure_brake_cases", "brake_id", "state"),
    )

    id: str = text_key()
    person_id: str = text()
    person: str = text()
    display_name: str = text()
    # planned, held, cancelled, open, stuck, closed
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
    # leaver (or null), absence
    kind: str | None = text(nullable=True)
    # When and by whose word the brake counted it last; null when it does not count.
    counted: int | None = whole(nullable=True)
    counted_by: str | None = text(nullable=True)
    # How many agents the person owned then.
    answers: int | None = whole(nullable=True)
    # 1 when it passed the brake because it was urgent.
    urgent: int | None = whole(nullable=True)
    brake_id: str | None = text(nullable=True)
    # When named approvers let the brake go: the five minutes begin there.
    released: int | None = whole(nullable=True)
    # An absence's end, when it is known.
    until: int | None = whole(nullable=True)
    # When somebody was told that the case is late.
    paged: int | None = whole(nullable=True)
    # 1 for the drill's own case: no real person.
    drill: int | None = whole(nullable=True)


class DepartureAgentRow(SQLModel, table=True):
    """What was decided about one agent of a case, and what an admin made of it later."""

    __tablename__ = "sb_departure_agent"
    __table_args__ = (
        Index("sb_departure_agent_agent", "agent_id"),
        Index("sb_departure_agent_accept", "accept_by"),
    )

    case_id: str = text_key()
    agent_id: str = text_key()
    slug: str = text()
    role: str = text()
    # handed-over, held, relieved
    fate: str = text()
    reason: str = text()
    successor: str | None = text(nullable=True)
    # Who that is, whatever they are called by now; null in rows of earlier versions.
    successor_id: str | None = text(nullable=True)
    proposed: str | None = text(nullable=True)
    decided: int = whole()
    resolved: int | None = whole(nullable=True)
    resolved_to: str | None = text(nullable=True)
    # The policy's rule that decided.
    rule: str | None = text(nullable=True)
    # What the agent may do until the successor accepts: running or held.
    meanwhile: str | None = text(nullable=True)
    # JSON of who answered for the agent before: what is given back after an absence.
    before: str | None = text(nullable=True)
    # Until when the successor must accept; null when they need not, or did, or it lapsed.
    accept_by: int | None = whole(nullable=True)
    accepted: int | None = whole(nullable=True)
    # When it was given back to who came back.
    returned: int | None = whole(nullable=True)


class BrakeRow(SQLModel, table=True):
    """A brake that went on: news of one source that waits for named approvers."""

    __tablename__ = "sb_departure_brake"
    __table_args__ = (Index("sb_departure_brake_open", "state", "source"),)

    id: str = text_key()
    source: str = text()
    # open, released, rejected, lifted (nothing was left in it)
    state: str = text()
    reason: str = text()
    opened: int = whole()
    ended: int | None = whole(nullable=True)


class ApprovalRow(SQLModel, table=True):
    """One person's word on a brake. The key makes one person's second word no second person's."""

    __tablename__ = "sb_departure_approval"

    brake_id: str = text_key()
    approver: str = text_key()
    name: str = text()
    # By what they were known: "account root", "token …1a2b3c".
    via: str = text()
    # release, reject
    verdict: str = text()
    reason: str = text()
    at: int = whole()


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
