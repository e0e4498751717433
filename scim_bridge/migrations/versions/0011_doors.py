"""doors"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """How each door for news stands: last heard, where it goes on, what it may have missed."""
    op.create_table(
        "sb_door",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("connection_id", TEXT, nullable=True),
        sa.Column("heard", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("event", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("events", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cursor", TEXT, nullable=False),
        sa.Column("gaps", TEXT, nullable=False),
        sa.Column("trouble", TEXT, nullable=False),
        sa.Column("troubled", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
