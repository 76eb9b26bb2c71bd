"""Cases and their routings, as the first release made them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "cases",
        sa.Column("case_id", sa.String(128), primary_key=True),
        sa.Column("city", sa.Text),
        sa.Column("transcript", sa.Text, nullable=False),
        sa.Column("address", sa.Text),
        sa.Column("received_at", sa.String(40)),
        sa.Column("stored_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "routings",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("case_id", sa.String(128), sa.ForeignKey("cases.case_id"), nullable=False),
        sa.Column("disposition", sa.String(16), nullable=False),
        sa.Column("bundle", sa.String(128), nullable=False),
        sa.Column("access_list", sa.String(128), nullable=False),
        sa.Column("catalogue", sa.String(128), nullable=False),
        sa.Column("label_maps", sa.String(128), nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("stored_at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_routings_case_id", "routings", ["case_id"])
