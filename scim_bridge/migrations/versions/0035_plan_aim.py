"""what a plan was made for"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """What a plan was made for: settings and mapping, as a digest."""
    op.add_column("sb_plan", sa.Column("aim", TEXT, nullable=True))
