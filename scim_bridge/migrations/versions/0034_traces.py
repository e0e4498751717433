"""traces"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """The trace an outward call was decided in."""
    op.add_column("sb_effect", sa.Column("trace", TEXT, nullable=True))
