"""The log of decisions: what was asked, what was answered and why."""

from __future__ import annotations

from sqlalchemy import Column, Index
from sqlalchemy import text as sql_text
from sqlmodel import Field, SQLModel

from scim_bridge.kernel.columns import TEXT, text, text_key, whole

ALLOWED = sql_text("allowed = 1")
DENIED = sql_text("allowed = 0")


class DecisionRow(SQLModel, table=True):
    """One answer, with all that was asked, so that another policy set can be asked the same.

    `agent_id` is null when the subject named no agent, or several; a person is no agent.
    """

    __tablename__ = "sb_decision"
    __table_args__ = (
        Index("sb_decision_agent", "agent_id", "allowed", "at"),
        Index("sb_decision_at", "at"),
        Index("sb_decision_allowed", "at", sqlite_where=ALLOWED, postgresql_where=ALLOWED),
        Index("sb_decision_denied", "at", sqlite_where=DENIED, postgresql_where=DENIED),
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


class PolicyVersionRow(SQLModel, table=True):
    """Policies that were activated; the highest version is in force. Without text: those the settings name."""

    __tablename__ = "sb_policy_version"

    version: int = whole(primary_key=True)
    name: str = text()
    digest: str = text()
    policies: str | None = text(nullable=True)
    schema_: str | None = Field(sa_column=Column("schema", TEXT, nullable=True))
    schema_name: str = text()
    # The names of the packaged sets on top, as a JSON list, and what the simulation before said, as JSON.
    sets: str = text()
    at: int = whole()
    by_name: str = text()
    reason: str = text()
    simulated: str = text()


class PolicyDraftRow(SQLModel, table=True):
    """Policies that somebody is writing in the console. `base` is the version they began from, if there was one."""

    __tablename__ = "sb_policy_draft"

    id: str = text_key()
    policies: str = text()
    base: int | None = whole(nullable=True)
    created: int = whole()
    changed: int = whole()
    by_name: str = text()


class BudgetUseRow(SQLModel, table=True):
    """What one budget has left for one key (an agent, an owner, …), as one cell of GCRA, and who asked how much.

    `tat` is the theoretical arrival time; `at`, `inc`, `room` and `patience` are those of the last question,
    kept so that one statement can charge many cells.
    """

    __tablename__ = "sb_budget_use"

    budget: str = text_key()
    key: str = text_key()
    tat: int = whole()
    at: int = whole()
    inc: int = whole()
    room: int = whole()
    ok: int = whole()
    # Questions in this minute (counted from the epoch) and in the one before.
    minute: int = whole()
    asked: int = whole()
    before: int = whole()
    # Refusals since `striking`, forgotten after `patience` microseconds.
    strikes: int = whole()
    striking: int = whole()
    patience: int = whole()
