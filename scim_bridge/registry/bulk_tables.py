"""Tables of saved views and of changes of many agents at once."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy import text as sql_text
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import text, text_key, whole

RUNNING = sql_text("state = 'running'")


class ViewRow(SQLModel, table=True):
    """A saved search of agents: somebody's own (`holder`), or everybody's (an empty one)."""

    __tablename__ = "sb_view"
    __table_args__ = (Index("sb_view_holder", "holder", "name", unique=True),)

    id: str = text_key()
    name: str = text()
    query: str = text()
    holder: str = text()
    made_by: str = text()
    created: int = whole()


class BulkRow(SQLModel, table=True):
    """One change of many agents: planned, running, done or cancelled, with who said so."""

    __tablename__ = "sb_bulk"
    __table_args__ = (Index("sb_bulk_running", "id", sqlite_where=RUNNING, postgresql_where=RUNNING),)

    id: str = text_key()
    # stop, resume, owner, attest, join, leave
    action: str = text()
    target_id: str = text()
    target: str = text()
    query: str = text()
    state: str = text()
    reason: str = text()
    made_by: str = text()
    created: int = whole()
    ended: int | None = whole(nullable=True)
    # How many different people have to say so, who did (JSON), and how far it reaches (JSON).
    needed: int = whole()
    approvals: str = text()
    reach: str = text()


class BulkItemRow(SQLModel, table=True):
    """One agent of such a change: what the preview said, and what became of it."""

    __tablename__ = "sb_bulk_item"

    bulk_id: str = text_key()
    agent_id: str = text_key()
    slug: str = text()
    says: str = text()
    # planned, nothing, done, failed, moved
    state: str = text()
    told: str = text()
