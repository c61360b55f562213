"""Copying a database to another one: `copy_database`."""
