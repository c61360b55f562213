"""The Fetcher that the command uses: the one place that knows how it is made."""

from __future__ import annotations

import argparse
from typing import Any, cast

from apps.fetch.asking import Fetches, TitleOf
from toolkit.http.fetcher import Fetcher, FetchSettings

_OPTIONS = {
    "concurrency": "concurrency",
    "per_host": "per_host",
    "rate": "rate",
    "timeout": "timeout_seconds",
    "connect_timeout": "connect_timeout_seconds",
    "first_byte_timeout": "first_byte_seconds",
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


def fetcher_for(reactor: Any, settings: FetchSettings) -> Fetches:
    """The Fetcher of a run.

    Args:
        reactor: The reactor.
        settings: How URLs are fetched.

    Raises:
        SettingsError: `cacert` or `proxy` cannot be used.
    """
    fetcher: Any = Fetcher(reactor, settings)
    if hasattr(fetcher, "download"):
        return cast(Fetches, fetcher)
    from apps.fetch.former import FormerFetcher

    return FormerFetcher(fetcher)


def title_finder() -> TitleOf:
    """What finds the title of a page."""
    from toolkit.http.title import title_of  # type: ignore[import-not-found,unused-ignore]

    return cast(TitleOf, title_of)
