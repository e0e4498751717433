"""mappings"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=False)


def upgrade() -> None:
    """What an IdP makes of what is written there, and how a connection's attributes are made."""
    op.create_table(
        "sb_sync_kept",
        _text("connection_id"),
        _text("remote_id"),
        _text("name"),
        _text("sent"),
        _text("made"),
        sa.PrimaryKeyConstraint("connection_id", "remote_id", "name"),
    )
    op.create_table(
        "sb_mapping",
        _text("connection_id"),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        _text("target"),
        _text("source"),
        _text("direction"),
        _text("condition"),
        sa.PrimaryKeyConstraint("connection_id", "seq"),
    )
