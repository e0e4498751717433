"""Tables of baselines and alerts: what is usual for each agent, and what was not."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy import text as sql_text
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import KEYED, blob, text, text_key, whole

UNJUDGED = sql_text("seq > judged")
OPEN = sql_text("state = 'open'")


class BaselineRow(SQLModel, table=True):
    """What was learnt of one agent. `seq` rises with every batch of its activity, `judged` follows."""

    __tablename__ = "sb_baseline"
    __table_args__ = (Index("sb_baseline_due", "agent_id", sqlite_where=UNJUDGED, postgresql_where=UNJUDGED),)

    agent_id: str = text_key()
    # The newest event's instant.
    last: int = whole()
    seq: int = whole()
    judged: int = whole()
    state: bytes | None = blob(nullable=True)


class BaselineKnownRow(SQLModel, table=True):
    """A resource, action, tool or pair of origins that an agent is known for, in hours since 1970."""

    __tablename__ = "sb_baseline_known"
    __table_args__ = (KEYED,)

    agent_id: str = text_key()
    part: str = text_key()
    value: str = text_key()
    first: int = whole()
    last: int = whole()


class AlertRow(SQLModel, table=True):
    """Something odd. One is open at a time for an agent, kind and subject; `hours` says in how many it was seen."""

    __tablename__ = "sb_alert"
    __table_args__ = (
        Index(
            "sb_alert_open",
            "agent_id",
            "kind",
            "subject",
            unique=True,
            sqlite_where=OPEN,
            postgresql_where=OPEN,
        ),
        Index("sb_alert_last", "last", "id"),
    )

    id: str = text_key()
    agent_id: str = text()
    kind: str = text()
    subject: str = text()
    # low, medium, high
    severity: str = text()
    # open, resolved
    state: str = text()
    why: str = text()
    # JSON: the numbers behind the text, and ids of events.
    figures: str = text()
    evidence: str = text()
    first: int = whole()
    last: int = whole()
    hour: int = whole()
    hours: int = whole()
    # The id of the mute under which nobody was told.
    muted: str | None = text(nullable=True)
    # What was done by policy: JSON list of words.
    response: str = text()
    resolved: int | None = whole(nullable=True)
    resolved_by: str | None = text(nullable=True)
    resolution: str | None = text(nullable=True)


class AlertMuteRow(SQLModel, table=True):
    """Of an agent, a kind or both nobody is told until an instant; for a reason, by somebody."""

    __tablename__ = "sb_alert_mute"

    id: str = text_key()
    agent_id: str | None = text(nullable=True)
    kind: str | None = text(nullable=True)
    reason: str = text()
    muted_by: str = text()
    created: int = whole()
    until: int = whole()
    ended: int | None = whole(nullable=True)
