"""The name and the version of what is installed."""

from __future__ import annotations


def distribution() -> str:
    """The distribution and its version: `twisted-app-toolkit 0.1.0`."""
    # Imported when somebody asks: it is slower than all of --help.
    from importlib.metadata import PackageNotFoundError, version

    name = "twisted-app-toolkit"
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} (not installed)"
