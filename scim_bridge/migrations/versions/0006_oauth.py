"""oauth"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
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
    """Add OAuth clients with secrets and trusts, issuers' keys, and what tokens need for rotation."""
    for name in ("client_id", "proof_id", "successor"):
        op.add_column("sb_token", text(name, nullable=True))
    op.add_column("sb_token", whole("warned", nullable=True))
    op.create_index("sb_token_client", "sb_token", ["client_id", "proof_id"], unique=False)
    _clients()
    _trusts()


def _clients() -> None:
    op.create_table(
        "sb_oauth_client",
        text("id"),
        text("connection_id"),
        text("label"),
        text("scopes"),
        whole("created"),
        whole("last_used", nullable=True),
        whole("deleted", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_oauth_client_of", "sb_oauth_client", ["connection_id"], unique=False)
    op.create_table(
        "sb_oauth_secret",
        text("id"),
        text("client_id"),
        text("hint"),
        text("digest"),
        whole("created"),
        whole("expires"),
        whole("last_used", nullable=True),
        whole("revoked", nullable=True),
        whole("rotated", nullable=True),
        whole("warned", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_oauth_secret_digest", "sb_oauth_secret", ["digest"], unique=True)
    op.create_index("sb_oauth_secret_of", "sb_oauth_secret", ["client_id"], unique=False)


def _trusts() -> None:
    op.create_table(
        "sb_oauth_trust",
        text("id"),
        text("client_id"),
        text("issuer"),
        text("tenant", nullable=True),
        text("subject"),
        text("audience"),
        text("keys_url"),
        whole("single_use"),
        whole("created"),
        whole("last_used", nullable=True),
        whole("removed", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "sb_oauth_trust_of",
        "sb_oauth_trust",
        ["client_id", "issuer", "subject", "audience"],
        unique=True,
        sqlite_where=sa.text("removed IS NULL"),
        postgresql_where=sa.text("removed IS NULL"),
    )
    op.create_table(
        "sb_oauth_keys",
        text("url"),
        text("keys"),
        whole("fetched", nullable=True),
        whole("next_at"),
        whole("failures"),
        text("last_error", nullable=True),
        sa.PrimaryKeyConstraint("url"),
    )
    op.create_index("sb_oauth_keys_due", "sb_oauth_keys", ["next_at"], unique=False)
    op.create_table("sb_oauth_assertion", text("key"), whole("expires"), sa.PrimaryKeyConstraint("key"))
    op.create_index("sb_oauth_assertion_end", "sb_oauth_assertion", ["expires"], unique=False)
