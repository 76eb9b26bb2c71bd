"""The tables of the store, all in this one place."""

from sqlalchemy import Column, DateTime, ForeignKey, Integer, MetaData, String, Table, Text

metadata = MetaData()

cases = Table(
    "cases",
    metadata,
    Column("case_id", String(128), primary_key=True),
    Column("city", Text),
    Column("transcript", Text, nullable=False),
    Column("address", Text),
    Column("received_at", String(40)),
    Column("stored_at", DateTime, nullable=False),
    comment="What came in, personal data masked; transcript and address as JSON.",
)

routings = Table(
    "routings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("case_id", ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("disposition", String(16), nullable=False),
    Column("bundle", String(128), nullable=False),
    Column("access_list", String(128), nullable=False),
    Column("catalogue", String(128), nullable=False),
    Column("label_maps", String(128), nullable=False),
    Column("answer", Text, nullable=False),
    Column("stored_at", DateTime, nullable=False),
    comment="What was answered: the Routing as JSON without its timings; the highest id of a case is the current one.",
)
