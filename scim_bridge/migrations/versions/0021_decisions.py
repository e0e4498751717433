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
    """All that was asked is kept with the answer; yeses, noes and resources are found by indexes of their own."""
    op.add_column("sb_decision", _text("subject_type", "agent"))
    op.add_column("sb_decision", _text("properties", "{}"))
    op.add_column("sb_decision", _text("asked", "{}"))
    op.add_column("sb_decision", sa.Column("retry_after", sa.BigInteger(), nullable=True))
    op.drop_index("sb_decision_agent", "sb_decision")
    op.create_index("sb_decision_agent", "sb_decision", ["agent_id", "allowed", "at"])
    for name, rows in (("sb_decision_allowed", "allowed = 1"), ("sb_decision_denied", "allowed = 0")):
        where = sa.text(rows)
        op.create_index(name, "sb_decision", ["at"], sqlite_where=where, postgresql_where=where)
    op.create_index("sb_decision_resource", "sb_decision", ["resource_type", "resource_id"])
