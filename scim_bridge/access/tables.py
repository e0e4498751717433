"""The log of decisions: what was asked, what was answered and why."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import text, text_key, whole


class DecisionRow(SQLModel, table=True):
    """One answer, with all that was asked, so that another policy set can be asked the same.

    `agent_id` is null when the subject named no agent, or several; a person is no agent.
    """

    __tablename__ = "sb_decision"
    __table_args__ = (
        Index("sb_decision_agent", "agent_id", "at"),
        Index("sb_decision_at", "at"),
        Index("sb_decision_resource", "resource_type", "resource_id"),
    )

    id: str = text_key()
    at: int = whole()
    agent_id: str | None = text(nullable=True)
    subject: str = text()
    action: str = text()
    resource_type: str = text()
    resource_id: str = text()
    allowed: int = whole()
    # JSON lists: [{"id", "text"}] and policy ids.
    reasons: str = text()
    policies: str = text()
    caller_id: str = text()
    caller_name: str = text()
    request_id: str = text()
    subject_type: str = text()
    # JSON objects of texts: what the gateway said of the resource, and of the question.
    properties: str = text()
    asked: str = text()
    retry_after: int | None = whole(nullable=True)
