"""departure_policies"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    """A text column."""
    return sa.Column(name, TEXT, nullable=nullable)


def whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    """A 64-bit integer column."""
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable)


def upgrade() -> None:
    """Add what the brake on departures keeps, which rule decided, acceptance, and what was lent or offered."""
    for name in ("kind", "counted_by", "brake_id"):
        op.add_column("sb_departure", text(name, nullable=True))
    for name in ("counted", "answers", "urgent", "released", "until", "paged", "drill"):
        op.add_column("sb_departure", whole(name, nullable=True))
    op.create_index("sb_departure_counted", "sb_departure", ["counted"], unique=False)
    op.create_index("sb_departure_brake_cases", "sb_departure", ["brake_id", "state"], unique=False)
    for name in ("rule", "meanwhile", "before"):
        op.add_column("sb_departure_agent", text(name, nullable=True))
    for name in ("accept_by", "accepted", "returned"):
        op.add_column("sb_departure_agent", whole(name, nullable=True))
    op.create_index("sb_departure_agent_accept", "sb_departure_agent", ["accept_by"], unique=False)
    op.add_column("sb_person", whole("disputed", nullable=True))
    where = sa.text("expires_at IS NOT NULL")
    op.create_index(
        "sb_agent_expires",
        "sb_agent",
        ["expires_at"],
        unique=False,
        sqlite_where=where,
        postgresql_where=where,
    )
    op.create_table(
        "sb_departure_brake",
        text("id"),
        text("source"),
        text("state"),
        text("reason"),
        whole("opened"),
        whole("ended", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_departure_brake_open", "sb_departure_brake", ["state", "source"], unique=False)
    op.create_table(
        "sb_departure_approval",
        text("brake_id"),
        text("approver"),
        text("name"),
        text("verdict"),
        text("reason"),
        whole("at"),
        sa.PrimaryKeyConstraint("brake_id", "approver"),
    )
