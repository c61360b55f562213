"""The tables of a database, read and made."""
