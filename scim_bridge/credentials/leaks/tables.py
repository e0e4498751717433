"""What was told of leaks: never a value, only a hint of it."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import text, text_key, whole


class LeakRow(SQLModel, table=True):
    """One finding. Its id is made from the message it came in, so that a message counts once."""

    __tablename__ = "sb_leak"
    __table_args__ = (Index("sb_leak_reported", "reported"),)

    id: str = text_key()
    type: str = text()
    hint: str = text()
    url: str = text()
    source: str = text()
    reporter: str = text()
    verdict: str = text()
    subject_kind: str | None = text(nullable=True)
    subject_id: str | None = text(nullable=True)
    # What was done about it, in words.
    done: str = text()
    reported: int = whole()
