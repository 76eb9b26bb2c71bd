"""The tables of the store, all in this one place; `serving.store.migrate` brings a database to them.

A moment (`DateTime`) is UTC and, on either database, read and written as text of one form: see `serving.store.moments`.
JSON is text too: SQLite has no other, and what is hashed must come back as it was written.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()
# SQLite numbers rows by itself only where the type is INTEGER.
Number = BigInteger().with_variant(Integer, "sqlite")
_NAMED = text("caller IS NOT NULL")


def _id() -> Column[int]:
    return Column("id", Number, primary_key=True)


def _case() -> Column[str]:
    return Column("case_id", ForeignKey("cases.case_id"), nullable=False, index=True)


def _asked() -> list[Column[str]]:
    return [
        Column("operator", String(128), nullable=False),
        Column("actor", String(128), nullable=False, comment="whose key it came with"),
        Column("request", String(64), nullable=False, comment="digest of what was asked: the same again is no news"),
    ]


cases = Table(
    "cases",
    metadata,
    Column("case_id", String(128), primary_key=True),
    Column("city", Text),
    Column("transcript", Text, nullable=False),
    Column("address", Text),
    Column("received_at", String(40)),
    Column("stored_at", DateTime, nullable=False, index=True),
    Column(
        "digest", String(80), comment="keyed, over the content before masking; null: from before there were digests"
    ),
    Column("digests", Text, comment="the same by field, as JSON, so that a conflict names what differs"),
    Column("caller", String(64), comment="keyed pseudonym"),
    Column("erased_at", DateTime),
    # Most cases come without a caller: they need not pay for it.
    Index("ix_cases_caller", "caller", "stored_at", sqlite_where=_NAMED, postgresql_where=_NAMED),
    comment="What came in, personal data masked; transcript and address as JSON.",
)

routings = Table(
    "routings",
    metadata,
    _id(),
    _case(),
    Column("disposition", String(16), nullable=False),
    Column("bundle", String(128), nullable=False),
    Column("access_list", String(128), nullable=False),
    Column("catalogue", String(128), nullable=False),
    Column("label_maps", String(128), nullable=False),
    Column("triggers", String(128), nullable=False, server_default=""),
    Column("category", String(6), comment="of the first suggestion, as are function, level and unit; null: none"),
    Column("function", String(64)),
    Column("level", String(8)),
    Column("unit", String(64), comment="code"),
    Column("answer", Text, nullable=False),
    Column("stored_at", DateTime, nullable=False),
    comment="What was answered: the Routing as JSON without its timings; the highest id of a case is the current one.",
)

decisions = Table(
    "decisions",
    metadata,
    _id(),
    _case(),
    Column("routing_id", ForeignKey("routings.id"), nullable=False),
    Column("return_id", Number, comment="the upheld return that this re-dispatch answers"),
    Column("action", String(16), nullable=False, comment="accept or override"),
    Column("rank", Integer, comment="of the accepted suggestion"),
    Column("unit", String(64), comment="code"),
    Column("unit_name", Text, nullable=False),
    Column("function", String(64), nullable=False),
    Column("level", String(8), nullable=False),
    Column("region", Text, nullable=False, comment="full name, as in an answer"),
    Column("category", String(6), nullable=False),
    Column("reason", String(64), nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default="", comment="personal data masked"),
    Column("forced", Boolean, nullable=False),
    Column("access_row", String(64), comment="id of the row that a forced decision went against"),
    Column("access_list", String(128), nullable=False, comment="version it was held against"),
    Column("replaces", Number, comment="the decision that this one corrects"),
    *_asked(),
    Column("at", DateTime, nullable=False),
    # Those of one matter, newest first, for `serving.console.similar`.
    Index("ix_decisions_matter", text("substr(category, 1, 4)"), "id"),
    comment="What operators decided; the highest id of a case is the one in force. Rows are only ever added.",
)

returns = Table(
    "returns",
    metadata,
    _id(),
    _case(),
    Column("decision_id", ForeignKey("decisions.id")),
    Column("unit", String(64), comment="code of the unit that sends the case back"),
    Column("unit_name", Text, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("clause", Text, nullable=False, server_default=""),
    Column("proposed_unit", String(64), comment="code"),
    Column("proposed_unit_name", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default="", comment="personal data masked"),
    *_asked(),
    Column("at", DateTime, nullable=False),
    comment="Objections of units to a dispatch. Rows are only ever added.",
)

return_reviews = Table(
    "return_reviews",
    metadata,
    _id(),
    Column("return_id", ForeignKey("returns.id"), nullable=False, unique=True),
    Column("outcome", String(16), nullable=False, comment="upheld or rejected"),
    Column("note", Text, nullable=False, server_default="", comment="personal data masked"),
    *_asked(),
    Column("at", DateTime, nullable=False),
    comment="What became of each return. Rows are only ever added.",
)

desk_steps = Table(
    "desk_steps",
    metadata,
    _id(),
    _case(),
    Column("return_id", Number, comment="the last return before it; null: none yet"),
    Column("decision_id", Number, comment="the last decision before it, undone or not; null: none yet"),
    Column("action", String(16), nullable=False, comment="consult, ask, merge or undo"),
    Column("units", Text, nullable=False, server_default="[]", comment="who is consulted: codes and names, as JSON"),
    Column("supervisor", Boolean, nullable=False, comment="whether the supervisor is consulted"),
    Column("question", Text, nullable=False, server_default="", comment="what to ask; personal data masked"),
    Column("merged_into", ForeignKey("cases.case_id"), comment="the case that this one is merged into"),
    Column("undoes_table", String(16), comment="decisions or desk_steps"),
    Column("undoes_id", Number),
    Column("note", Text, nullable=False, server_default="", comment="personal data masked"),
    *_asked(),
    Column("at", DateTime, nullable=False),
    comment="What operators did short of a decision, and what they took back. Rows are only ever added.",
)

claims = Table(
    "claims",
    metadata,
    Column("case_id", String(128), primary_key=True),
    Column("operator", String(128), nullable=False, comment="login"),
    Column("since", DateTime, nullable=False),
    Column("until", DateTime, nullable=False, index=True),
    comment="Who works on which case just now: a lease that ends by itself.",
)

rule_versions = Table(
    "rule_versions",
    metadata,
    _id(),
    Column("kind", String(16), nullable=False),
    Column("version", String(128), nullable=False),
    Column("origin", Number, comment="id this content first came into force under; null: this one"),
    Column("action", String(16), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("author", String(128), nullable=False),
    Column("note", Text, nullable=False),
    Column("since", DateTime, nullable=False),
    # Every worker asks for the highest id of each kind twice a second; this answers without touching a row.
    Index("ix_rule_versions_kind", "kind", "id"),
    comment="Rule sets as they came into force, as canonical CSV; the highest id of a kind is the one in force.",
)

model_versions = Table(
    "model_versions",
    metadata,
    _id(),
    Column("version", String(128), nullable=False, comment="of the bundle"),
    Column("path", Text, nullable=False),
    Column("sha256", String(64), nullable=False, comment="of its bundle.json, which holds those of the other files"),
    Column("action", String(16), nullable=False),
    Column("author", String(128), nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("since", DateTime, nullable=False),
    comment="Bundles as they came into force; the highest id is the one in force. Rows are only ever added.",
)

shadow_routings = Table(
    "shadow_routings",
    metadata,
    _id(),
    Column("case_id", String(128), nullable=False, index=True),
    Column("bundle", String(128), nullable=False, index=True),
    Column("disposition", String(16), nullable=False),
    Column("category", String(6)),
    Column("function", String(64)),
    Column("level", String(8)),
    Column("unit", String(64), comment="code"),
    Column("probability", Float),
    Column("stored_at", DateTime, nullable=False),
    comment="What a second bundle would have answered; it decides nothing.",
)

audit_events = Table(
    "audit_events",
    metadata,
    _id(),
    Column("at", DateTime, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("action", String(32), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("details", Text, nullable=False),
    Column("prev_hash", String(64), nullable=False, server_default=""),
    Column("hash", String(64), nullable=False, server_default=""),
    comment="Who changed what, when; details as JSON without personal texts. Rows are only ever added.",
)

outbox = Table(
    "outbox",
    metadata,
    _id(),
    Column("hook", String(128), nullable=False, comment="which subscriber this is for"),
    Column("event", String(32), nullable=False),
    Column("case_id", String(128), nullable=False),
    Column("payload", Text, nullable=False),
    Column("state", String(16), nullable=False, server_default="pending", comment="pending, delivered, dead or undone"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime, nullable=False),
    Column("next_at", DateTime, nullable=False),
    Column("ended_at", DateTime),
    Column("error", Text, nullable=False, server_default=""),
    Index("ix_outbox_due", "state", "next_at"),
    Index("ix_outbox_case_id", "case_id"),
    comment="Messages to subscribers, written with the event they tell of and sent afterwards.",
)

api_keys = Table(
    "api_keys",
    metadata,
    _id(),
    Column("name", String(128), nullable=False),
    Column("prefix", String(16), nullable=False, comment="the visible part"),
    Column("hash", String(64), nullable=False, unique=True, comment="SHA-256 of the key"),
    Column("scopes", String(128), nullable=False, comment="comma-separated"),
    Column("created_at", DateTime, nullable=False),
    Column("expires_at", DateTime),
    Column("revoked_at", DateTime),
    comment="Who may call; the keys themselves are nowhere.",
)

operators = Table(
    "operators",
    metadata,
    Column("login", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False, comment="operator, supervisor or admin"),
    Column("password", Text, nullable=False, comment="argon2 hash with its parameters"),
    Column("created_at", DateTime, nullable=False),
    Column("disabled_at", DateTime),
    comment="Who may sign in at the console.",
)

console_sessions = Table(
    "console_sessions",
    metadata,
    Column("hash", String(64), primary_key=True, comment="SHA-256 of the token"),
    Column("login", ForeignKey("operators.login"), nullable=False, index=True),
    Column("address", String(64), nullable=False, comment="where the operator signed in from"),
    Column("opened_at", DateTime, nullable=False),
    Column("seen_at", DateTime, nullable=False, comment="to the minute"),
    comment="Who is signed in; the tokens themselves are nowhere. Rows go when a session ends.",
)

facts = Table(
    "facts",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Text, nullable=False),
    comment="What holds for the database as a whole, such as the fingerprint of the key its digests were made with.",
)

# Tables whose rows are never changed nor deleted, with the columns that stay open to erasure, which blanks them.
APPEND_ONLY: dict[Table, frozenset[str]] = {
    rule_versions: frozenset(),
    model_versions: frozenset(),
    audit_events: frozenset(),
    decisions: frozenset({"note"}),
    returns: frozenset({"note", "clause"}),
    return_reviews: frozenset({"note"}),
    desk_steps: frozenset({"note", "question"}),
}
