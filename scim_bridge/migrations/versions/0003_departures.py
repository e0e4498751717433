"""departures"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables of signals and departures."""
    op.create_table(
        "sb_signal",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=True),
        sa.Column("named", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("effective_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("immediate", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("received", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_signal_event", "sb_signal", ["source", "key"], unique=True)
    op.create_index("sb_signal_person", "sb_signal", ["person_id", "received"], unique=False)
    _departures()


def _departures() -> None:
    op.create_table(
        "sb_departure",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("person", TEXT, nullable=False),
        sa.Column("display_name", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("gone_by", TEXT, nullable=False),
        sa.Column("immediate", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("signal_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("heard_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("effective_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("decided_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("closed_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("note", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_departure_person", "sb_departure", ["person_id", "heard_at"], unique=False)
    op.create_index("sb_departure_state", "sb_departure", ["state", "effective_at"], unique=False)
    op.create_table(
        "sb_departure_agent",
        sa.Column("case_id", TEXT, nullable=False),
        sa.Column("agent_id", TEXT, nullable=False),
        sa.Column("slug", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("fate", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("successor", TEXT, nullable=True),
        sa.Column("proposed", TEXT, nullable=True),
        sa.Column("decided", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("resolved", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("resolved_to", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("case_id", "agent_id"),
    )
    op.create_index("sb_departure_agent_agent", "sb_departure_agent", ["agent_id"], unique=False)
    op.create_table(
        "sb_receipt",
        sa.Column("case_id", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("issued", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("within_budget", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("steps", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("statement", TEXT, nullable=True),
        sa.Column("signed", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("case_id"),
    )
    op.create_index("sb_receipt_signed", "sb_receipt", ["signed"], unique=False)
