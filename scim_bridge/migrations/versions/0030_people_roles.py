"""people roles"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def _text(*names: str, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=nullable) for name in names]


def _whole(*names: str, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable) for name in names]


def upgrade() -> None:
    """Sessions of people at the console."""
    op.create_table(
        "sb_session",
        *_text("id", "digest", "method"),
        *_text("person_id", "token_id", nullable=True),
        *_text("name", "roles"),
        *_text("nonce", nullable=True),
        *_text("proof"),
        sa.Column("id_token", sa.LargeBinary(), nullable=True),
        *_whole("authenticated", nullable=True),
        *_whole("created", "seen", "idle", "until"),
        *_text("address"),
        *_whole("ended", nullable=True),
        *_text("ended_why"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_session_digest", "sb_session", ["digest"], unique=True)
    op.create_index("sb_session_nonce", "sb_session", ["nonce"], unique=True)
    op.create_index("sb_session_person", "sb_session", ["person_id"])
    op.create_index("sb_session_until", "sb_session", ["until"])
    # Sessions that were sealed into cookies are over; so are the marks that they were signed out.
    op.execute("DELETE FROM sb_fact WHERE name >= 'console.signed_out:' AND name < 'console.signed_out;'")
