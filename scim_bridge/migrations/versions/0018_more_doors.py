"""more_doors"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
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
    """Streams of security events (SSF), the events each of them sent, and how late each door's newest event came."""
    op.add_column("sb_door", whole("lag", nullable=True))
    op.create_table(
        "sb_ssf_stream",
        text("connection_id"),
        text("issuer"),
        text("subject_issuers"),
        text("audiences"),
        text("algorithm"),
        text("method"),
        whole("by_email"),
        text("endpoints"),
        text("stream_id"),
        text("push_digest", nullable=True),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        text("status"),
        text("status_reason"),
        text("verify_state"),
        whole("verify_asked", nullable=True),
        whole("verified", nullable=True),
        text("keys"),
        whole("keys_fetched", nullable=True),
        whole("keys_next"),
        whole("keys_failures"),
        text("keys_error"),
        whole("poll_next"),
        whole("poll_failures"),
        whole("created"),
        sa.PrimaryKeyConstraint("connection_id"),
    )
    op.create_table(
        "sb_ssf_set",
        text("connection_id"),
        text("jti"),
        text("digest"),
        whole("received"),
        text("heard"),
        text("err"),
        text("description"),
        whole("ack"),
        sa.PrimaryKeyConstraint("connection_id", "jti"),
    )
    op.create_index("sb_ssf_set_ack", "sb_ssf_set", ["connection_id", "ack", "received"], unique=False)
    op.create_index("sb_ssf_set_received", "sb_ssf_set", ["received"], unique=False)
