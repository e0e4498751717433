"""campaigns"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")
WAITING = sa.text("state = 'waiting'")


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=nullable)


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable)


def upgrade() -> None:
    """Campaigns with their agents, questions that were passed on, and warnings before a statement ends."""
    op.create_table(
        "sb_campaign",
        *(_text(name) for name in ("id", "name", "kind", "schedule", "scope", "reason", "state")),
        _whole("opened"),
        _text("opened_by"),
        _whole("due"),
        _text("policy"),
        _text("cursor"),
        _whole("total"),
        _whole("closed", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sb_campaign_schedule", "sb_campaign", ["schedule", "opened"])
    op.create_table(
        "sb_campaign_item",
        *(_text(name) for name in ("campaign_id", "agent_id", "slug", "person_id", "state")),
        _whole("step"),
        _whole("next_at"),
        _text("note"),
        _whole("settled", nullable=True),
        sa.PrimaryKeyConstraint("campaign_id", "agent_id"),
    )
    for name, column in (("sb_campaign_item_next", "next_at"), ("sb_campaign_item_agent", "agent_id")):
        op.create_index(name, "sb_campaign_item", [column], sqlite_where=WAITING, postgresql_where=WAITING)
    op.add_column("sb_attestation_request", _text("passed_by", nullable=True))
    op.add_column("sb_attestation_request", _whole("transfer", nullable=True))
    op.add_column("sb_attestation", _whole("warned", nullable=True))
