"""Tables of the transmitter of security events: streams, what waits for each, and whom each tells of.

Those of activity and alerts have files of their own.
"""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy import text as sql_text
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import blob, text, text_key, whole
from scim_bridge.watch import activity_tables, alert_tables

__all__ = [
    "TransmitterSetRow",
    "TransmitterStreamRow",
    "TransmitterSubjectRow",
    "activity_tables",
    "alert_tables",
]

QUEUED = sql_text("state = 'queued'")


class TransmitterStreamRow(SQLModel, table=True):
    """A receiver's stream (SSF 1.0 section 8.1). `cursor` is the last audit row it was told of."""

    __tablename__ = "sb_tx_stream"

    id: str = text_key()
    # The connection whose receiver it is, and whose scope counts; empty for the installation's own.
    owner: str = text()
    description: str = text()
    method: str = text()
    endpoint: str = text()
    # The receiver's Authorization header, sealed.
    secrets: bytes | None = blob(nullable=True)
    audiences: str = text()
    events: str = text()
    form: str = text()
    status: str = text()
    reason: str = text()
    cursor: int = whole()
    # The number of the newest SET made for it.
    position: int = whole()
    # How often it was started again: part of the keys of its effects.
    round: int = whole()
    default_subjects: str = text()
    created: int = whole()
    verified: int | None = whole(nullable=True)
    delivered: int = whole()
    delivered_at: int | None = whole(nullable=True)


class TransmitterSetRow(SQLModel, table=True):
    """A SET that was made and is not acknowledged: it waits, or it was refused by its receiver."""

    __tablename__ = "sb_tx_set"
    __table_args__ = (
        Index("sb_tx_set_waiting", "stream_id", "position", sqlite_where=QUEUED, postgresql_where=QUEUED),
    )

    stream_id: str = text_key()
    jti: str = text_key()
    position: int = whole()
    event: str = text()
    claims: str = text()
    state: str = text()
    made: int = whole()
    err: str = text()
    description: str = text()


class TransmitterSubjectRow(SQLModel, table=True):
    """An agent that a receiver added to its stream or removed from it."""

    __tablename__ = "sb_tx_subject"

    stream_id: str = text_key()
    agent_id: str = text_key()
    included: int = whole()
