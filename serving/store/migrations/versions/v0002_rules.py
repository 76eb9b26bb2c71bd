"""Rule sets that change while the service runs, and the log of who changed what."""

import sqlalchemy as sa
from alembic import op

from serving.store.migrations.append_only import protect

revision = "0002"
down_revision = "0001"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the two tables; a routing names its triggers."""
    op.add_column("routings", sa.Column("triggers", sa.String(128), nullable=False, server_default=""))
    op.create_table(
        "rule_versions",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("version", sa.String(128), nullable=False),
        sa.Column("origin", _NUMBER),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("author", sa.String(128), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
    )
    op.create_index("ix_rule_versions_kind", "rule_versions", ["kind", "id"])
    op.create_table(
        "audit_events",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("details", sa.Text, nullable=False),
    )
    for table in ("rule_versions", "audit_events"):
        protect(table)
