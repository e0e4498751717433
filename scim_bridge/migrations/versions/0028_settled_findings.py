"""settled findings"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """By what an approver of a brake was known, beside the name they gave themselves; who is asked to take an
    agent over, by id."""
    op.add_column("sb_departure_approval", sa.Column("via", TEXT, nullable=False, server_default=""))
    op.add_column("sb_departure_agent", sa.Column("successor_id", TEXT, nullable=True))
