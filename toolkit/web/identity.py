"""Request ids: the peer's own where it has a usable one, else one that is made."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

_WELL_FORMED = re.compile(rb"[A-Za-z0-9._:/+=~-]{1,128}")


def request_id(given: Sequence[bytes] | None) -> str:
    """The id of a request.

    Args:
        given: The values of its X-Request-ID header.

    Returns:
        The only value, if that is 1 to 128 letters, digits or `._:/+=~-`; else 16 random digits
        of base 16.
    """
    if given and len(given) == 1 and _WELL_FORMED.fullmatch(given[0]):
        return given[0].decode("ascii")
    return os.urandom(8).hex()
