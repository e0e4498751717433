"""What the IdP doors keep: events that wait, people as last seen, and who asks next."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import text, text_key, whole


class NewsRow(SQLModel, table=True):
    """One event at an IdP, until somebody looked what became of the person."""

    __tablename__ = "sb_news"
    __table_args__ = (
        Index("sb_news_event", "connection_id", "key", unique=True),
        Index("sb_news_person", "connection_id", "remote_id", "state"),
        Index("sb_news_state", "state", "received"),
    )

    id: str = text_key()
    connection_id: str = text()
    # The IdP's own id of the event; of notices that have none, the person they are about.
    key: str = text()
    # The door that told of it first.
    door: str = text()
    kind: str = text()
    remote_id: str = text()
    # The event's own time, as the IdP says.
    at: int | None = whole(nullable=True)
    received: int = whole()
    # When it was first told to us (hook, notice), and when we first found it by asking (log, delta).
    pushed: int | None = whole(nullable=True)
    asked: int | None = whole(nullable=True)
    # waiting, read, nobody, unclear
    state: str = text()
    note: str = text()


class RemotePersonRow(SQLModel, table=True):
    """One person at one IdP as they were when last read there, and who they are here."""

    __tablename__ = "sb_remote_person"

    connection_id: str = text_key()
    remote_id: str = text_key()
    person_id: str | None = text(nullable=True)
    there: str = text()
    login: str = text()
    manager: str = text()
    department: str = text()
    since: int | None = whole(nullable=True)
    leave_at: int | None = whole(nullable=True)
    # When that reading began: an older one that comes later changes nothing.
    read: int = whole()


class ListenerRow(SQLModel, table=True):
    """A door that asks by itself: when next, and its standing order at the IdP."""

    __tablename__ = "sb_listener"

    # The door's name in sb_door.
    name: str = text_key()
    connection_id: str = text()
    # Whoever moves it forward is the one process that asks this time.
    next_at: int = whole()
    # Up to when what was pushed was held against what was asked for.
    checked: int = whole()
    # The subscription's id there, its end, and digests of what its notices must carry (the newest first).
    remote_id: str = text()
    expires: int | None = whole(nullable=True)
    proof: str = text()
