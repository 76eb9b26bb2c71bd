"""Decided cases of one matter are found at once, the newest first."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """The first four digits of a category are the matter."""
    op.create_index("ix_decisions_matter", "decisions", [sa.text("substr(category, 1, 4)"), "id"])
