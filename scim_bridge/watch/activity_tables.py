"""Tables of activity: what agents did, and its sums by agent and hour."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import KEYED, text, text_key, whole


class ActivityRow(SQLModel, table=True):
    """One event. `key` is derived from source and event id: the same event twice is one row."""

    __tablename__ = "sb_activity"
    __table_args__ = (
        Index("sb_activity_agent", "agent_id", "at"),
        Index("sb_activity_received", "received"),
    )

    key: str = text_key()
    source: str = text()
    event_id: str = text()
    at: int = whole()
    received: int = whole()
    agent_id: str = text()
    # tool, model, message, data, session, other
    kind: str = text()
    action: str = text()
    resource: str = text()
    tool: str = text()
    # ok, denied, error
    outcome: str = text()
    # Where it came from: a region, or an address.
    origin: str = text()
    cost: int = whole()


class ActivityHourRow(SQLModel, table=True):
    """What one agent did in one hour (hours since 1970, UTC)."""

    __tablename__ = "sb_activity_hour"
    __table_args__ = (KEYED,)

    agent_id: str = text_key()
    hour: int = whole(primary_key=True)
    events: int = whole()
    denied: int = whole()
    errors: int = whole()
    cost: int = whole()


class ActivityPartRow(SQLModel, table=True):
    """The same by resource, action, tool or origin: how many events had this value."""

    __tablename__ = "sb_activity_part"
    __table_args__ = (KEYED,)

    agent_id: str = text_key()
    hour: int = whole(primary_key=True)
    part: str = text_key()
    value: str = text_key()
    events: int = whole()
