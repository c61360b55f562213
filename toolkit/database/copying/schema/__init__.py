"""The tables of a database: read from one, and made in another of either kind."""
