"""attestations"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables of the room."""
    op.create_table(
        "sb_attestation",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("request_id", TEXT, nullable=False),
        sa.Column("agent_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("verdict", TEXT, nullable=False),
        sa.Column("comment", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("facts", TEXT, nullable=False),
        sa.Column("statement", TEXT, nullable=False),
        sa.Column("ended", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_attestation_agent", "sb_attestation", ["agent_id", "at"], unique=False)
    op.create_index(
        "sb_attestation_due",
        "sb_attestation",
        ["until"],
        unique=False,
        sqlite_where=sa.text("ended IS NULL"),
        postgresql_where=sa.text("ended IS NULL"),
    )
    op.create_table(
        "sb_attestation_request",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("agent_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("created", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("expires", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("closed", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("closed_why", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "sb_attestation_request_open",
        "sb_attestation_request",
        ["agent_id", "person_id"],
        unique=True,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
