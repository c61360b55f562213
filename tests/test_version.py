"""The version is that of the installed distribution."""

from __future__ import annotations

from importlib.metadata import version

from toolkit.version import distribution


def test_the_distribution_is_named_with_its_version() -> None:
    assert distribution() == f"twisted-app-toolkit {version('twisted-app-toolkit')}"
