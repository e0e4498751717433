"""activity"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
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
    """What agents did, its sums by the hour, what is usual for each agent, and what was not."""
    op.create_table(
        "sb_activity",
        text("key"),
        text("source"),
        text("event_id"),
        whole("at"),
        whole("received"),
        text("agent_id"),
        text("kind"),
        text("action"),
        text("resource"),
        text("tool"),
        text("outcome"),
        text("origin"),
        whole("cost"),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("sb_activity_agent", "sb_activity", ["agent_id", "at"], unique=False)
    op.create_index("sb_activity_received", "sb_activity", ["received"], unique=False)
    op.create_table(
        "sb_activity_hour",
        text("agent_id"),
        whole("hour"),
        whole("events"),
        whole("denied"),
        whole("errors"),
        whole("cost"),
        sa.PrimaryKeyConstraint("agent_id", "hour"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sb_activity_part",
        text("agent_id"),
        whole("hour"),
        text("part"),
        text("value"),
        whole("events"),
        sa.PrimaryKeyConstraint("agent_id", "hour", "part", "value"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sb_baseline",
        text("agent_id"),
        whole("last"),
        whole("seq"),
        whole("judged"),
        sa.Column("state", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("agent_id"),
    )
    unjudged = sa.text("seq > judged")
    op.create_index(
        "sb_baseline_due",
        "sb_baseline",
        ["agent_id"],
        unique=False,
        sqlite_where=unjudged,
        postgresql_where=unjudged,
    )
    op.create_table(
        "sb_baseline_known",
        text("agent_id"),
        text("part"),
        text("value"),
        whole("first"),
        whole("last"),
        sa.PrimaryKeyConstraint("agent_id", "part", "value"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sb_alert",
        text("id"),
        text("agent_id"),
        text("kind"),
        text("subject"),
        text("severity"),
        text("state"),
        text("why"),
        text("figures"),
        text("evidence"),
        whole("first"),
        whole("last"),
        whole("hour"),
        whole("hours"),
        text("muted", nullable=True),
        text("response"),
        whole("resolved", nullable=True),
        text("resolved_by", nullable=True),
        text("resolution", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    is_open = sa.text("state = 'open'")
    op.create_index(
        "sb_alert_open",
        "sb_alert",
        ["agent_id", "kind", "subject"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_index("sb_alert_last", "sb_alert", ["last", "id"], unique=False)
    op.create_table(
        "sb_alert_mute",
        text("id"),
        text("agent_id", nullable=True),
        text("kind", nullable=True),
        text("reason"),
        text("muted_by"),
        whole("created"),
        whole("until"),
        whole("ended", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
