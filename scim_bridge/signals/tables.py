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


class DoorRow(SQLModel, table=True):
    """How one door stands: what it heard last, how far behind it is, what it missed."""

    __tablename__ = "sb_door"

    # The `source` of its signals: "okta-log:acme", "ssf:acme", "hr:workday".
    name: str = text_key()
    # hr, okta-hook, okta-log, graph-notice, graph-delta, ssf-push, ssf-poll, csv
    kind: str = text()
    connection_id: str | None = text(nullable=True)
    # When it heard or asked last, whatever came of it; and the time the newest event itself tells.
    heard: int | None = whole(nullable=True)
    event: int | None = whole(nullable=True)
    events: int = whole()
    # Where a door that asks goes on, sealed by nobody: an IdP's cursor is no secret.
    cursor: str = text()
    # Why news may have been missed (JSON list of {"at", "why"}, the newest ten); "[]" when none.
    gaps: str = text()
    # Why it does not work now; empty when it does.
    trouble: str = text()
    troubled: int | None = whole(nullable=True)
