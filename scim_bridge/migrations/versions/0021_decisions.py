"""decisions"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def _text(name: str, default: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=False, server_default=default)


def upgrade() -> None:
    """All that was asked is kept with the answer, and decisions are found by the resource they name."""
    op.add_column("sb_decision", _text("subject_type", "agent"))
    op.add_column("sb_decision", _text("properties", "{}"))
    op.add_column("sb_decision", _text("asked", "{}"))
    op.add_column("sb_decision", sa.Column("retry_after", sa.BigInteger(), nullable=True))
    op.create_index("sb_decision_resource", "sb_decision", ["resource_type", "resource_id"])
