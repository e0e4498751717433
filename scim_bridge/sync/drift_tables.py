"""Tables of what others did at the IdP: attributes they changed, objects of our kind that are nobody's here."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import text, text_key, whole


class DriftRow(SQLModel, table=True):
    """One attribute of one agent that somebody changed at the IdP, until it is settled; settled ones are kept."""

    __tablename__ = "sb_drift"
    __table_args__ = (Index("sb_drift_once", "connection_id", "agent_id", "attribute", "slot", unique=True),)

    id: str = text_key()
    connection_id: str = text()
    agent_id: str = text()
    slug: str = text()
    attribute: str = text()
    # Our name for it; empty when it is only the IdP's.
    field: str = text()
    # JSON.
    ours: str = text()
    theirs: str = text()
    rule: str = text()
    first_seen: int = whole()
    last_seen: int = whole()
    # Who changed it there, as the IdP's log says, or why that is not known.
    changed_by: str = text()
    changed_at: int | None = whole(nullable=True)
    unknown: str = text()
    # open, taken, overridden, undone
    state: str = text()
    # Empty while it is open, then its id: of one attribute only one can be open.
    slot: str = text()
    settled: int | None = whole(nullable=True)
    settled_by: str = text()
    reason: str = text()


class StrangerRow(SQLModel, table=True):
    """One object of our kind at an IdP that is no agent of ours, and what was decided about it."""

    __tablename__ = "sb_stranger"

    connection_id: str = text_key()
    remote_id: str = text_key()
    name: str = text()
    # The agent id in our mark on it; empty without one.
    mark: str = text()
    # JSON, as seen last.
    attributes: str = text()
    origin: str = text()
    made: int | None = whole(nullable=True)
    owner: str = text()
    unknown: str = text()
    first_seen: int = whole()
    last_seen: int = whole()
    # open, ignored, adopted, retiring, retired, gone
    state: str = text()
    agent_id: str = text()
    decided: int | None = whole(nullable=True)
    decided_by: str = text()
    reason: str = text()
