"""From the options to the settings of the Fetcher."""

from __future__ import annotations

import argparse
from typing import Any

from toolkit.http.fetcher import FetchSettings

_OPTIONS = {
    "concurrency": "concurrency",
    "per_host": "per_host",
    "rate": "rate",
    "timeout": "timeout_seconds",
    "connect_timeout": "connect_timeout_seconds",
    "first_byte_timeout": "first_byte_timeout_seconds",
    "stall_timeout": "stall_seconds",
    "max_bytes": "max_bytes",
    "max_redirects": "max_redirects",
    "allow_downgrade": "allow_downgrade",
    "retries": "retries",
    "cacert": "cacert",
    "insecure": "insecure",
    "public_only": "public_only",
    "proxy": "proxy",
    "robots": "robots",
    "cookies": "cookies",
}
"""The field of FetchSettings that each option sets; one that is not given leaves it as it is."""


def fetch_settings(options: argparse.Namespace) -> FetchSettings:
    """How URLs are fetched, as the options say.

    Args:
        options: The command line; None and False are options that were not given.

    Raises:
        SettingsError: A value is not what its field allows.
    """
    given = {option: getattr(options, option) for option in _OPTIONS}
    fields: dict[str, Any] = {
        _OPTIONS[option]: value
        for option, value in given.items()
        if value is not None and value is not False  # 0 is a value
    }
    return FetchSettings(**fields)
