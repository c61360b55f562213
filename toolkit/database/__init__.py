"""Databases: SQLite and PostgreSQL behind one helper, with Deferreds at the edge."""
