"""access"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the log of decisions, and an index for finding an agent by its workload id."""
    op.create_table(
        "sb_decision",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("agent_id", TEXT, nullable=True),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("resource_type", TEXT, nullable=False),
        sa.Column("resource_id", TEXT, nullable=False),
        sa.Column("allowed", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reasons", TEXT, nullable=False),
        sa.Column("policies", TEXT, nullable=False),
        sa.Column("caller_id", TEXT, nullable=False),
        sa.Column("caller_name", TEXT, nullable=False),
        sa.Column("request_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_decision_agent", "sb_decision", ["agent_id", "at"], unique=False)
    op.create_index("sb_decision_at", "sb_decision", ["at"], unique=False)
    op.create_index("sb_agent_workload", "sb_agent", ["workload_id"], unique=False)
