"""access policies"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")
ENDS = sa.text("until IS NOT NULL")
WAITING = sa.text("state = 'open'")


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=nullable)


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable)


def upgrade() -> None:
    """Memberships that end, policies that were activated, what budgets have left, and advice about groups."""
    op.add_column("sb_member", _whole("until", nullable=True))
    op.add_column("sb_member", _text("why", nullable=True))
    op.create_index("sb_member_ends", "sb_member", ["until"], sqlite_where=ENDS, postgresql_where=ENDS)
    op.create_table(
        "sb_policy_version",
        _whole("version"),
        *(_text(name) for name in ("name", "digest")),
        *(_text(name, nullable=True) for name in ("policies", "schema")),
        *(_text(name) for name in ("schema_name", "sets")),
        _whole("at"),
        *(_text(name) for name in ("by_name", "reason", "simulated")),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "sb_budget_use",
        *(_text(name) for name in ("budget", "key")),
        *(_whole(name) for name in ("tat", "at", "inc", "room", "ok", "minute", "asked", "before")),
        *(_whole(name) for name in ("strikes", "striking", "patience")),
        sa.PrimaryKeyConstraint("budget", "key"),
    )
    op.create_table(
        "sb_recommendation",
        *(_text(name) for name in ("id", "agent_id", "group_id", "kind")),
        _text("instead_id", nullable=True),
        *(_text(name) for name in ("why", "evidence", "state")),
        *(_whole(name) for name in ("found", "seen")),
        _whole("settled", nullable=True),
        *(_text(name, nullable=True) for name in ("settled_by", "settled_why")),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "sb_recommendation_open",
        "sb_recommendation",
        ["agent_id", "group_id"],
        unique=True,
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )
