"""console: saved views, changes of many agents, drafts of policies"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def _text(*names: str, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=nullable) for name in names]


def _whole(*names: str, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable) for name in names]


def upgrade() -> None:
    """What the console keeps for people."""
    op.create_table(
        "sb_view",
        *_text("id", "name", "query", "holder", "made_by"),
        *_whole("created"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_view_holder", "sb_view", ["holder", "name"], unique=True)
    op.create_table(
        "sb_bulk",
        *_text("id", "action", "target_id", "target", "query", "state", "reason", "made_by"),
        *_whole("created"),
        *_whole("ended", nullable=True),
        *_whole("needed"),
        *_text("approvals", "reach"),
        sa.PrimaryKeyConstraint("id"),
    )
    running = sa.text("state = 'running'")
    op.create_index("sb_bulk_running", "sb_bulk", ["id"], sqlite_where=running, postgresql_where=running)
    op.create_table(
        "sb_bulk_item",
        *_text("bulk_id", "agent_id", "slug", "says", "state", "told"),
        sa.PrimaryKeyConstraint("bulk_id", "agent_id"),
    )
    op.create_table(
        "sb_policy_draft",
        *_text("id", "policies"),
        *_whole("base", nullable=True),
        *_whole("created", "changed"),
        *_text("by_name"),
        sa.PrimaryKeyConstraint("id"),
    )
