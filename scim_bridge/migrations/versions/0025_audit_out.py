"""audit out"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=nullable)


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable)


def upgrade() -> None:
    """How far each stream of the audit is, and each anchor of its checkpoints."""
    op.create_table(
        "sb_audit_sink",
        _text("name"),
        _whole("cursor"),
        _whole("sent"),
        _whole("acknowledged", nullable=True),
        _whole("failures"),
        _text("error"),
        _whole("next_at"),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "sb_audit_anchor",
        _text("name"),
        _whole("last_seq"),
        _whole("at"),
        _whole("confirmed"),
        sa.PrimaryKeyConstraint("name"),
    )
