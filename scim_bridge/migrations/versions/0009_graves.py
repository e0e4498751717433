"""graves"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

LIVE = sa.text("deleted IS NULL")
MARK = "\x1f"


def upgrade() -> None:
    """Let what was deleted keep its userName until somebody takes it; of several, the last that had it.

    All others, and groups, keep theirs behind a mark, as they do from now on.
    """
    op.create_index("sb_resource_graves", "sb_resource", ["space", "key"], unique=False)
    op.execute(
        f"UPDATE sb_resource SET key = key || '{MARK}' || id WHERE deleted IS NOT NULL AND (space <> 'user' OR"
        " EXISTS (SELECT 1 FROM sb_resource o WHERE o.space = sb_resource.space AND o.key = sb_resource.key"
        " AND o.id <> sb_resource.id AND (o.deleted IS NULL OR o.deleted > sb_resource.deleted"
        " OR (o.deleted = sb_resource.deleted AND o.id > sb_resource.id))))"
    )
    op.drop_index("sb_resource_graves", "sb_resource")
    op.drop_index("sb_resource_key", "sb_resource")
    op.create_index("sb_resource_key", "sb_resource", ["space", "key"], unique=True)
