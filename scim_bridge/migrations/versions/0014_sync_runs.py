"""Stops overtake other effects; a held plan says what it stops and who let it go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """A rank for effects, the stops of a plan, and a row for each person who released one."""
    rank = sa.Column("rank", sa.BigInteger(), nullable=False, server_default="1")
    op.add_column("sb_effect", rank)
    op.drop_index("sb_effect_due", "sb_effect")
    op.create_index("sb_effect_due", "sb_effect", ["state", "rank", "next_at"], unique=False)
    op.add_column("sb_plan", sa.Column("stops", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "sb_release",
        sa.Column("plan_id", TEXT, nullable=False),
        sa.Column("person", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("released", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("plan_id", "person"),
    )
