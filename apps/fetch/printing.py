"""What is said of a file of URLs that cannot be used."""

from __future__ import annotations


def unreadable(path: str, error: Exception) -> str:
    """One line about a file of URLs that cannot be used.

    Args:
        path: Its name; `-` is standard input.
        error: Why.
    """
    from toolkit.errors import printable  # here: --help loads nothing of the toolkit

    name = "standard input" if path == "-" else printable(path)
    return f"cannot read URLs from {name}: {getattr(error, 'strerror', None) or error}"
