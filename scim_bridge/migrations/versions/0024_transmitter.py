"""transmitter"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")
QUEUED = sa.text("state = 'queued'")


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _whole(*names: str, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable) for name in names]


def upgrade() -> None:
    """Streams of security events that receivers keep here, what waits for each, and whom each tells of."""
    op.create_table(
        "sb_tx_stream",
        *_text("id", "owner", "description", "method", "endpoint"),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        *_text("audiences", "events", "form", "status", "reason"),
        *_whole("cursor", "position", "round"),
        *_text("default_subjects"),
        *_whole("created"),
        *_whole("verified", nullable=True),
        *_whole("delivered"),
        *_whole("delivered_at", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "sb_tx_set",
        *_text("stream_id", "jti"),
        *_whole("position"),
        *_text("event", "claims", "state"),
        *_whole("made"),
        *_text("err", "description"),
        sa.PrimaryKeyConstraint("stream_id", "jti"),
    )
    op.create_index(
        "sb_tx_set_waiting",
        "sb_tx_set",
        ["stream_id", "position"],
        sqlite_where=QUEUED,
        postgresql_where=QUEUED,
    )
    op.create_table(
        "sb_tx_subject",
        *_text("stream_id", "agent_id"),
        *_whole("included"),
        sa.PrimaryKeyConstraint("stream_id", "agent_id"),
    )
