"""How many files and sockets the process may have open (getrlimit(2), RLIMIT_NOFILE)."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping
from typing import Any

from twisted.logger import Logger

_log = Logger()

RESERVE = 64
"""Descriptors for what is no connection of a service: ports, the log, the reactor, files."""


def raise_limit(system: Any = resource) -> int:
    """Raise the soft limit to the hard one.

    Args:
        system: Tells and sets the limit, as the module `resource` does.

    Returns:
        The limit that holds from now on.
    """
    soft, hard = system.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            system.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:  # macOS: "unlimited", and not granted
            _log.debug("{limit} files may be open: {error}", limit=soft, error=str(error))
            hard = soft
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def shortage(limit: int, connections: Mapping[str, int]) -> str:
    """What to say when a limit is too low for the connections that services may have.

    Args:
        limit: How many files may be open.
        connections: The most connections of each service, by its name.

    Returns:
        A sentence, or "" where the limit is high enough.
    """
    wanted = sum(connections.values()) + RESERVE
    if not connections or limit >= wanted:
        return ""
    return (
        f"{limit} files may be open, too few for the connections that {', '.join(connections)} "
        f"may have: raise LimitNOFILE= or ulimit -Hn to {wanted}, or lower max_connections"
    )
