"""applications"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the agents of agentic applications; the applications themselves are resources like others."""
    op.create_table(
        "sb_application_agent",
        sa.Column("application_id", TEXT, nullable=False),
        sa.Column("agent_id", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("since", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("added_by", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("application_id", "agent_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "sb_application_agent_of", "sb_application_agent", ["agent_id", "application_id"], unique=False
    )
