"""What is kept, in SQLite or PostgreSQL: tables, migrations, the one writer, the audit chain."""
