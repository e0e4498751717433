"""Audit tables: rows, written with the change; checkpoints, written by the sealer."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy import text as sql_text
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import text, text_key, whole

SEALED = sql_text("seq IS NOT NULL")


class AuditRow(SQLModel, table=True):
    """One thing that happened. `seq`, `prev` and `hash` are given by the sealer within a second."""

    __tablename__ = "sb_audit"
    __table_args__ = (
        # A row has no place yet when it is written; the sealer enters it here.
        Index("sb_audit_seq", "seq", unique=True, sqlite_where=SEALED, postgresql_where=SEALED),
        Index(
            "sb_audit_unsealed",
            "id",
            sqlite_where=sql_text("seq IS NULL"),
            postgresql_where=sql_text("seq IS NULL"),
        ),
        Index("sb_audit_subject", "subject_id", "at"),
    )

    id: str = text_key()
    at: int = whole()
    actor_kind: str = text()
    actor_id: str = text()
    actor_name: str = text()
    connection_id: str | None = text(nullable=True)
    action: str = text()
    subject_kind: str = text()
    subject_id: str | None = text(nullable=True)
    outcome: str = text()
    detail: str = text()
    request_id: str = text()
    address: str | None = text(nullable=True)
    seq: int | None = whole(nullable=True)
    prev: str | None = text(nullable=True)
    hash: str | None = text(nullable=True)


class CheckpointRow(SQLModel, table=True):
    """A signed statement: rows up to `last_seq` end in `last_hash` and have this Merkle root."""

    __tablename__ = "sb_checkpoint"

    first_seq: int = whole()
    last_seq: int = whole(primary_key=True)
    last_hash: str = text()
    root: str = text()
    at: int = whole()
    statement: str = text()


class SinkRow(SQLModel, table=True):
    """How far a stream of the audit is: `cursor` is the last row its sink has acknowledged."""

    __tablename__ = "sb_audit_sink"

    name: str = text_key()
    cursor: int = whole()
    sent: int = whole()
    acknowledged: int | None = whole(nullable=True)
    failures: int = whole()
    error: str = text()
    next_at: int = whole()


class AnchorRow(SQLModel, table=True):
    """Which checkpoint went to an anchor last, and the last one that is known to have arrived."""

    __tablename__ = "sb_audit_anchor"

    name: str = text_key()
    last_seq: int = whole()
    at: int = whole()
    confirmed: int = whole()
