"""What Alembic runs: the caller hands over a connection inside a transaction, and commits."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
