"""Text from elsewhere, as it may stand on a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text from elsewhere, with whatever could drive a terminal or break a column escaped."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return ascii(character)[1:-1]


def unreadable(path: str, error: Exception) -> str:
    """One line about a file of URLs that cannot be used.

    Args:
        path: Its name; `-` is standard input.
        error: Why.
    """
    name = "standard input" if path == "-" else printable(path)
    return f"cannot read URLs from {name}: {getattr(error, 'strerror', None) or error}"
