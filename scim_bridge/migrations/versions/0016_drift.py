"""drift"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable)


def upgrade() -> None:
    """What others changed at the IdP, and objects there that are nobody's here."""
    op.create_table(
        "sb_drift",
        *_text("id", "connection_id", "agent_id", "slug", "attribute", "field", "ours", "theirs", "rule"),
        _whole("first_seen"),
        _whole("last_seen"),
        *_text("changed_by"),
        _whole("changed_at", nullable=True),
        *_text("unknown", "state", "slot"),
        _whole("settled", nullable=True),
        *_text("settled_by", "reason"),
        sa.PrimaryKeyConstraint("id"),
    )
    open_once = ["connection_id", "agent_id", "attribute", "slot"]
    op.create_index("sb_drift_once", "sb_drift", open_once, unique=True)
    op.create_table(
        "sb_stranger",
        *_text("connection_id", "remote_id", "name", "mark", "attributes", "origin"),
        _whole("made", nullable=True),
        *_text("owner", "unknown"),
        _whole("first_seen"),
        _whole("last_seen"),
        *_text("state", "agent_id"),
        _whole("decided", nullable=True),
        *_text("decided_by", "reason"),
        sa.PrimaryKeyConstraint("connection_id", "remote_id"),
    )
