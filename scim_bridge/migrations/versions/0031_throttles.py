"""throttles"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")
OPEN = sa.text("ended IS NULL")


def _text(*names: str, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=nullable) for name in names]


def _whole(*names: str, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable) for name in names]


def upgrade() -> None:
    """Agents that may act only so often, until an instant."""
    op.create_table(
        "sb_throttle",
        *_text("id", "agent_id", "source", "code", "reason"),
        *_whole("calls", "span", "burst", "placed"),
        *_text("placed_by"),
        *_whole("until"),
        *_whole("ended", nullable=True),
        *_text("ended_by", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "sb_throttle_open",
        "sb_throttle",
        ["agent_id", "source"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index("sb_throttle_until", "sb_throttle", ["until"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_index("sb_throttle_agent", "sb_throttle", ["agent_id", "placed"])
    op.create_index("sb_throttle_placed", "sb_throttle", ["source", "placed"])
