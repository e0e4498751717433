"""replays"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Keep what a signed event said and when it was signed last, to tell a replay from a second attempt."""
    op.add_column("sb_signal", sa.Column("digest", TEXT, nullable=True))
    op.add_column("sb_signal", sa.Column("signed", sa.BigInteger(), autoincrement=False, nullable=True))
