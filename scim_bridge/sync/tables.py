"""The sync room's tables: plans with their changes, runs, what was last written where, what a tenant has."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import text, text_key, whole
from scim_bridge.sync.drift_tables import DriftRow, StrangerRow

__all__ = ["ChangeRow", "DriftRow", "PlanRow", "PushedRow", "RunRow", "StrangerRow"]


class PlanRow(SQLModel, table=True):
    """A reviewed set of changes for one connection; never altered, only applied or held."""

    __tablename__ = "sb_plan"
    __table_args__ = (Index("sb_plan_connection", "connection_id", "created"),)

    id: str = text_key()
    connection_id: str = text()
    created: int = whole()
    created_by: str = text()
    # sha256 of the canonical JSON of the changes: two plans that would do the same have the same one.
    digest: str = text()
    # ready, held, applied
    state: str = text()
    creates: int = whole()
    updates: int = whole()
    retires: int = whole()
    # Changes that switch an agent off, the retired ones too.
    stops: int = whole(default=0)
    agents: int = whole()
    # Objects the listing showed, and how many of those we wrote before.
    listed: int = whole()
    # JSON: warnings for people, and what the tenant lacks.
    notes: str = text()
    setup: str = text()
    # Why the brake holds it; empty otherwise.
    reason: str = text()
    # A digest of the connection's settings and mapping when it was made; null in plans from before.
    aim: str | None = text(nullable=True)


class ChangeRow(SQLModel, table=True):
    """One change of one object in a plan, and how it went."""

    __tablename__ = "sb_change"
    __table_args__ = (
        Index("sb_change_plan", "plan_id", "seq", unique=True),
        Index("sb_change_run", "run_id", "state"),
    )

    id: str = text_key()
    plan_id: str = text()
    seq: int = whole()
    agent_id: str = text()
    slug: str = text()
    action: str = text()
    remote_id: str | None = text(nullable=True)
    # JSON: the attributes that differ, as they are and as they should be; the whole; why; warnings.
    before: str = text()
    after: str = text()
    wanted: str = text()
    reasons: str = text()
    notes: str = text()
    # Digest of what the registry said of the agent: another one at apply time means it moved.
    desired: str = text()
    run_id: str | None = text(nullable=True)
    # planned, pending, done, moved, parked, cancelled
    state: str = text()
    reason: str = text()
    settled: int | None = whole(nullable=True)


class ReleaseRow(SQLModel, table=True):
    """Who let a plan go that the brake holds, and why. `account` is the one the person acted from."""

    __tablename__ = "sb_release"

    plan_id: str = text_key()
    person: str = text_key()
    account: str = text()
    reason: str = text()
    released: int = whole()


class RunRow(SQLModel, table=True):
    """One execution: reading the IdP, then applying a plan."""

    __tablename__ = "sb_run"
    __table_args__ = (Index("sb_run_connection", "connection_id", "started"),)

    id: str = text_key()
    connection_id: str = text()
    plan_id: str | None = text(nullable=True)
    # reading, preparing, applying, finished
    stage: str = text()
    # RUNNING, then OK, WARNING, HELD or FAILED
    state: str = text()
    started: int = whole()
    started_by: str = text()
    finished: int | None = whole(nullable=True)
    total: int = whole()
    done: int = whole()
    moved: int = whole()
    failed: int = whole()
    cancelled: int = whole()
    # Why it is not OK; empty otherwise.
    reason: str = text()


class PushedRow(SQLModel, table=True):
    """What was last written for one agent at one connection, and under which id it is kept there."""

    __tablename__ = "sb_pushed"

    connection_id: str = text_key()
    agent_id: str = text_key()
    # Empty while the first write is under way.
    remote_id: str = text()
    attributes: str = text()
    written: int = whole()
    retired: int | None = whole(nullable=True)


class FeatureRow(SQLModel, table=True):
    """Something of a tenant that we use, as it was found when it was last looked at."""

    __tablename__ = "sb_feature"

    connection_id: str = text_key()
    name: str = text_key()
    seq: int = whole()
    # 1: usable. A reason says why not, or what of it cannot be used.
    usable: int = whole()
    reason: str = text()
    seen: int = whole()


class KeptRow(SQLModel, table=True):
    """What an IdP made of a value that was sent to it, where that is something else: no endless difference."""

    __tablename__ = "sb_sync_kept"

    connection_id: str = text_key()
    remote_id: str = text_key()
    name: str = text_key()
    # JSON, both.
    sent: str = text()
    made: str = text()


class MappingRow(SQLModel, table=True):
    """One row of a connection's attribute mapping, in its order."""

    __tablename__ = "sb_mapping"

    connection_id: str = text_key()
    seq: int = whole(primary_key=True)
    target: str = text()
    # How the value is made, or empty: the target is left alone.
    source: str = text()
    # out, or in: the IdP's value may be taken over here.
    direction: str = text()
    # Condition under which the row counts; empty for always.
    condition: str = text()
