"""delivery"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=nullable)


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable)


def upgrade() -> None:
    """By which master key a digest is, who holds which, webhook secrets of our making, leaks that were told."""
    for table in ("sb_token", "sb_oauth_secret"):
        op.add_column(table, _text("digest_key", nullable=True))
        # Digests of before are by the key the database belongs to; NULL where none is stated yet.
        op.execute(f"UPDATE {table} SET digest_key = (SELECT value FROM sb_fact WHERE name = 'master-key')")
    op.create_table(
        "sb_key_holder",
        _text("process"),
        _text("kids"),
        _whole("seen"),
        sa.PrimaryKeyConstraint("process"),
    )
    op.create_table(
        "sb_own_secret",
        _text("id"),
        _text("name"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _whole("created"),
        _whole("expires", nullable=True),
        _whole("replaces_until"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_own_secret_name", "sb_own_secret", ["name", "created"])
    op.create_table(
        "sb_credential_trace",
        _text("digest"),
        _text("credential_id"),
        _whole("created"),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "sb_leak",
        _text("id"),
        _text("type"),
        _text("hint"),
        _text("url"),
        _text("source"),
        _text("reporter"),
        _text("verdict"),
        _text("subject_kind", nullable=True),
        _text("subject_id", nullable=True),
        _text("done"),
        _whole("reported"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_leak_reported", "sb_leak", ["reported"])
