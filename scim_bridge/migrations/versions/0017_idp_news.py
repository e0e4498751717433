"""idp_news"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """News out of identity providers: events that wait to be looked into, people as last seen there, who asks next."""
    op.create_table(
        "sb_news",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("connection_id", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("door", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("remote_id", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("received", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("pushed", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("asked", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_news_event", "sb_news", ["connection_id", "key"], unique=True)
    op.create_index("sb_news_person", "sb_news", ["connection_id", "remote_id", "state"])
    op.create_index("sb_news_state", "sb_news", ["state", "received"])
    op.create_table(
        "sb_remote_person",
        sa.Column("connection_id", TEXT, nullable=False),
        sa.Column("remote_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=True),
        sa.Column("there", TEXT, nullable=False),
        sa.Column("login", TEXT, nullable=False),
        sa.Column("manager", TEXT, nullable=False),
        sa.Column("department", TEXT, nullable=False),
        sa.Column("since", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("leave_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("read", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "remote_id"),
    )
    op.create_table(
        "sb_listener",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("connection_id", TEXT, nullable=False),
        sa.Column("next_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("checked", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("remote_id", TEXT, nullable=False),
        sa.Column("expires", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("proof", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
