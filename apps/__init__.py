"""Programs for a shell."""
