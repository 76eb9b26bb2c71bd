"""Decisions and returns, keys, messages, models; digests and callers of cases; the chain of the audit log."""

import sqlalchemy as sa
from alembic import op

from serving.store.migrations.append_only import protect

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add columns to what is there, then the new tables."""
    _widen()
    _decisions()
    _returns()
    _models()
    _messages()
    _keys()


def _id() -> sa.Column[int]:
    return sa.Column("id", _NUMBER, primary_key=True)


def _case() -> sa.Column[str]:
    return sa.Column("case_id", sa.String(128), sa.ForeignKey("cases.case_id"), nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _asked() -> list[sa.Column[str]]:
    sizes = {"operator": 128, "actor": 128, "request": 64}
    return [sa.Column(name, sa.String(size), nullable=False) for name, size in sizes.items()]


def _suggested() -> list[sa.Column[str]]:
    sizes = {"category": 6, "function": 64, "level": 8, "unit": 64}
    return [sa.Column(name, sa.String(size)) for name, size in sizes.items()]


def _widen() -> None:
    for column in (
        sa.Column("digest", sa.String(80)),
        sa.Column("digests", sa.Text),
        sa.Column("caller", sa.String(64)),
        sa.Column("erased_at", sa.DateTime),
    ):
        op.add_column("cases", column)
    op.create_index("ix_cases_stored_at", "cases", ["stored_at"])
    named = sa.text("caller IS NOT NULL")
    op.create_index("ix_cases_caller", "cases", ["caller", "stored_at"], sqlite_where=named, postgresql_where=named)
    for column in _suggested():
        op.add_column("routings", column)
    for name in ("prev_hash", "hash"):
        op.add_column("audit_events", sa.Column(name, sa.String(64), nullable=False, server_default=""))


def _decisions() -> None:
    op.create_table(
        "decisions",
        _id(),
        _case(),
        sa.Column("routing_id", _NUMBER, sa.ForeignKey("routings.id"), nullable=False),
        sa.Column("return_id", _NUMBER),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("rank", sa.Integer),
        sa.Column("unit", sa.String(64)),
        sa.Column("unit_name", sa.Text, nullable=False),
        sa.Column("function", sa.String(64), nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("region", sa.Text, nullable=False),
        sa.Column("category", sa.String(6), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False, server_default=""),
        _text("note"),
        sa.Column("forced", sa.Boolean, nullable=False),
        sa.Column("access_row", sa.String(64)),
        sa.Column("access_list", sa.String(128), nullable=False),
        sa.Column("replaces", _NUMBER),
        *_asked(),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_decisions_case_id", "decisions", ["case_id"])
    protect("decisions", open_to_change=("note",))


def _returns() -> None:
    op.create_table(
        "returns",
        _id(),
        _case(),
        sa.Column("decision_id", _NUMBER, sa.ForeignKey("decisions.id")),
        sa.Column("unit", sa.String(64)),
        sa.Column("unit_name", sa.Text, nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        _text("clause"),
        sa.Column("proposed_unit", sa.String(64)),
        _text("proposed_unit_name"),
        _text("note"),
        *_asked(),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_returns_case_id", "returns", ["case_id"])
    op.create_table(
        "return_reviews",
        _id(),
        sa.Column("return_id", _NUMBER, sa.ForeignKey("returns.id"), nullable=False, unique=True),
        sa.Column("outcome", sa.String(16), nullable=False),
        _text("note"),
        *_asked(),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    protect("returns", open_to_change=("note", "clause"))
    protect("return_reviews", open_to_change=("note",))


def _models() -> None:
    op.create_table(
        "model_versions",
        _id(),
        sa.Column("version", sa.String(128), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("author", sa.String(128), nullable=False),
        _text("note"),
        sa.Column("since", sa.DateTime, nullable=False),
    )
    protect("model_versions")
    op.create_table(
        "shadow_routings",
        _id(),
        sa.Column("case_id", sa.String(128), nullable=False),
        sa.Column("bundle", sa.String(128), nullable=False),
        sa.Column("disposition", sa.String(16), nullable=False),
        *_suggested(),
        sa.Column("probability", sa.Float),
        sa.Column("stored_at", sa.DateTime, nullable=False),
    )
    for column in ("case_id", "bundle"):
        op.create_index(f"ix_shadow_routings_{column}", "shadow_routings", [column])


def _messages() -> None:
    op.create_table(
        "outbox",
        _id(),
        sa.Column("hook", sa.String(128), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("case_id", sa.String(128), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False, server_default="pending"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("next_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
        _text("error"),
    )
    op.create_index("ix_outbox_due", "outbox", ["state", "next_at"])


def _keys() -> None:
    op.create_table(
        "api_keys",
        _id(),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("scopes", sa.String(128), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("expires_at", sa.DateTime),
        sa.Column("revoked_at", sa.DateTime),
    )
    op.create_table(
        "facts",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
