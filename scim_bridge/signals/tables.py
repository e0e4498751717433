"""The signals' table: what was heard, from which door, once per event."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import text, text_key, whole


class SignalRow(SQLModel, table=True):
    """One event about a person as one door told it. Without `person_id` it matched nobody yet."""

    __tablename__ = "sb_signal"
    __table_args__ = (
        Index("sb_signal_event", "source", "key", unique=True),
        Index("sb_signal_person", "person_id", "received"),
    )

    id: str = text_key()
    source: str = text()
    # The door's own id of the event.
    key: str = text()
    kind: str = text()
    person_id: str | None = text(nullable=True)
    # What the door called the person: what an admin searches for when nobody matched.
    named: str = text()
    at: int = whole()
    effective_at: int = whole()
    immediate: int = whole()
    reason: str = text()
    received: int = whole()
    # Of signed events: a digest of what was said, and the seconds at which the last attempt was signed.
    digest: str | None = text(nullable=True)
    signed: int | None = whole(nullable=True)
