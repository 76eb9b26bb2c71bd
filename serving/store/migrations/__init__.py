"""How an older database is brought to the tables of today: `versions`, one step each, run by Alembic."""
