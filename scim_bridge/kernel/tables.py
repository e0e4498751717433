"""The kernel's own tables: effects, signing keys, counters and small named facts."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import KEYED, blob, text, text_key, whole


class EffectRow(SQLModel, table=True):
    """An outward call decided inside a transaction; a worker makes it after the commit."""

    __tablename__ = "sb_effect"
    __table_args__ = (
        Index("sb_effect_due", "state", "rank", "next_at"),
        Index("sb_effect_case", "case_id"),
        Index("sb_effect_subject", "subject_id"),
    )

    id: str = text_key()
    kind: str = text()
    # One at a time and in order within a lane: a stop and a resume of one agent must not overtake.
    lane: str = text()
    subject_id: str | None = text(nullable=True)
    case_id: str | None = text(nullable=True)
    payload: str = text()
    state: str = text()
    attempts: int = whole()
    # Counts how often a person revived it: each round is a new workflow.
    round: int = whole()
    created: int = whole()
    next_at: int = whole()
    settled: int | None = whole(nullable=True)
    last_error: str | None = text(nullable=True)
    result: str | None = text(nullable=True)
    # Who comes first: 0 a stop, 1 what concerns one subject, 2 one of a run's many.
    rank: int = whole(default=1)
    # The trace it was decided in (W3C traceparent), where traces are on.
    trace: str | None = text(nullable=True)


class KeyRow(SQLModel, table=True):
    """A signing key: the public half in clear, the private half sealed with the master key."""

    __tablename__ = "sb_key"

    kid: str = text_key()
    purpose: str = text()
    public: str = text()
    private: bytes = blob()
    created: int = whole()
    retired: int | None = whole(nullable=True)


class KeyHolderRow(SQLModel, table=True):
    """A process, and the master keys it has loaded: none may take over before all have it."""

    __tablename__ = "sb_key_holder"

    process: str = text_key()
    # Fingerprints, separated by blanks; the one it seals with comes first.
    kids: str = text()
    seen: int = whole()


class CounterRow(SQLModel, table=True):
    """A running total in shards, so that writers on PostgreSQL do not queue on one row."""

    __tablename__ = "sb_counter"
    __table_args__ = KEYED

    name: str = text_key()
    shard: int = whole(primary_key=True)
    value: int = whole()


class FactRow(SQLModel, table=True):
    """A small named fact of this installation: cursors, last-run times, the sign-in digest."""

    __tablename__ = "sb_fact"

    name: str = text_key()
    value: str = text()
    changed: int = whole()
