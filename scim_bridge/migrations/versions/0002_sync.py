"""sync"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=nullable)


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable)


def upgrade() -> None:
    """Add the tables of the room."""
    op.create_table(
        "sb_plan",
        _text("id"),
        _text("connection_id"),
        _whole("created"),
        _text("created_by"),
        _text("digest"),
        _text("state"),
        _whole("creates"),
        _whole("updates"),
        _whole("retires"),
        _whole("agents"),
        _whole("listed"),
        _text("notes"),
        _text("setup"),
        _text("reason"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_plan_connection", "sb_plan", ["connection_id", "created"])
    op.create_table(
        "sb_change",
        _text("id"),
        _text("plan_id"),
        _whole("seq"),
        _text("agent_id"),
        _text("slug"),
        _text("action"),
        _text("remote_id", nullable=True),
        _text("before"),
        _text("after"),
        _text("wanted"),
        _text("reasons"),
        _text("notes"),
        _text("desired"),
        _text("run_id", nullable=True),
        _text("state"),
        _text("reason"),
        _whole("settled", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_change_plan", "sb_change", ["plan_id", "seq"], unique=True)
    op.create_index("sb_change_run", "sb_change", ["run_id", "state"])
    op.create_table(
        "sb_run",
        _text("id"),
        _text("connection_id"),
        _text("plan_id", nullable=True),
        _text("stage"),
        _text("state"),
        _whole("started"),
        _text("started_by"),
        _whole("finished", nullable=True),
        _whole("total"),
        _whole("done"),
        _whole("moved"),
        _whole("failed"),
        _whole("cancelled"),
        _text("reason"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_run_connection", "sb_run", ["connection_id", "started"])
    op.create_table(
        "sb_pushed",
        _text("connection_id"),
        _text("agent_id"),
        _text("remote_id"),
        _text("attributes"),
        _whole("written"),
        _whole("retired", nullable=True),
        sa.PrimaryKeyConstraint("connection_id", "agent_id"),
    )
