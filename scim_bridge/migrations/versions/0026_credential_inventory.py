"""credential inventory"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")
HELD = sa.text("connection_id IS NOT NULL")
OPEN = sa.text("finished IS NULL")


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=nullable)


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable)


def upgrade() -> None:
    """Where a credential is kept and who told of it; clients, policies, scans and rotations."""
    for name in ("connection_id", "client_id", "origin", "public", "stranger"):
        op.add_column("sb_credential", _text(name, nullable=True))
    for name in ("last_used", "seen"):
        op.add_column("sb_credential", _whole(name, nullable=True))
    op.create_index(
        "sb_credential_held",
        "sb_credential",
        ["connection_id", "client_id"],
        sqlite_where=HELD,
        postgresql_where=HELD,
    )
    op.create_table(
        "sb_credential_client",
        *(_text(name) for name in ("connection_id", "remote_id", "kind", "name", "client_id", "agent_id")),
        _whole("shared"),
        _text("told_by"),
        _whole("enabled"),
        _text("kinds"),
        _whole("first_seen"),
        _whole("seen"),
        sa.PrimaryKeyConstraint("connection_id", "remote_id"),
    )
    op.create_index("sb_credential_client_agent", "sb_credential_client", ["agent_id"])
    op.create_table(
        "sb_credential_scan",
        _text("connection_id"),
        _whole("started"),
        _whole("finished", nullable=True),
        *(_whole(name) for name in ("clients", "credentials", "strangers")),
        _text("reason"),
        sa.PrimaryKeyConstraint("connection_id"),
    )
    op.create_table(
        "sb_credential_policy",
        _text("subject"),
        _text("content"),
        _whole("changed"),
        _text("changed_by"),
        sa.PrimaryKeyConstraint("subject"),
    )
    _rotations()


def _rotations() -> None:
    op.create_table(
        "sb_rotation",
        *(_text(name) for name in ("id", "connection_id", "client_kind", "remote_id", "client_name")),
        *(_text(name) for name in ("client_id", "agent_id", "slug", "kind")),
        *(_text(name, nullable=True) for name in ("old_id", "old_reference", "old_kind")),
        *(_text(name) for name in ("cause", "reason", "state")),
        *(_whole(name) for name in ("created", "step_at")),
        *(_text(name) for name in ("policy", "public")),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        *(_text(name, nullable=True) for name in ("fresh_id", "fresh_reference")),
        _whole("fresh_expires", nullable=True),
        _text("version", nullable=True),
        *(_whole(name, nullable=True) for name in ("delivered", "confirmed")),
        _text("confirmed_by", nullable=True),
        _text("note"),
        _whole("tries"),
        _whole("finished", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "sb_rotation_open",
        "sb_rotation",
        ["connection_id", "remote_id"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index("sb_rotation_agent", "sb_rotation", ["agent_id", "created"])
