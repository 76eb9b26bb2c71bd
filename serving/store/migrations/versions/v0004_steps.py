"""What operators do short of a decision, what they take back, and who works on which case just now."""

import sqlalchemy as sa
from alembic import op

from serving.store.migrations.append_only import protect

revision = "0004"
down_revision = "0003"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the two tables; messages are found by their case."""
    _steps()
    op.create_table(
        "claims",
        sa.Column("case_id", sa.String(128), primary_key=True),
        sa.Column("operator", sa.String(128), nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
        sa.Column("until", sa.DateTime, nullable=False),
    )
    op.create_index("ix_claims_until", "claims", ["until"])
    op.create_index("ix_outbox_case_id", "outbox", ["case_id"])


def _steps() -> None:
    op.create_table(
        "desk_steps",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("case_id", sa.String(128), sa.ForeignKey("cases.case_id"), nullable=False),
        sa.Column("return_id", _NUMBER),
        sa.Column("decision_id", _NUMBER),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("units", sa.Text, nullable=False, server_default="[]"),
        sa.Column("supervisor", sa.Boolean, nullable=False),
        sa.Column("question", sa.Text, nullable=False, server_default=""),
        sa.Column("merged_into", sa.String(128), sa.ForeignKey("cases.case_id")),
        sa.Column("undoes_table", sa.String(16)),
        sa.Column("undoes_id", _NUMBER),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sa.Column("operator", sa.String(128), nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_desk_steps_case_id", "desk_steps", ["case_id"])
    protect("desk_steps", open_to_change=("note", "question"))
