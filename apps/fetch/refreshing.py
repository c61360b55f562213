"""Asking a URL again only for what has changed since (RFC 9110 §13)."""

from __future__ import annotations

import os
import stat

import msgspec

from apps.fetch.result import Kept, Result

NOT_MODIFIED = 304


def conditions(former: Kept | None, saves: bool, titles: bool) -> list[tuple[str, str]]:
    """The headers that have a server say that nothing has changed.

    Args:
        former: The result so far.
        saves: Whether the body is saved: then it must still be where it was, as long as it was.
        titles: Whether the title is asked for: then it must be known.

    Returns:
        Names and values; none where the former result could not stand for an answer.
    """
    if former is None or former.failed or former.error is not None:
        return []
    if saves and not _is_there(former):
        return []
    if titles and former.title is None:
        return []
    headers = []
    if former.etag is not None:
        headers.append(("If-None-Match", former.etag))
    if former.last_modified is not None:
        headers.append(("If-Modified-Since", former.last_modified))
    return headers


def _is_there(former: Kept) -> bool:
    if former.path is None:
        return False
    try:
        status = os.stat(former.path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == former.bytes


def unchanged(result: Result, former: Kept) -> Kept:
    """The result of an answer that nothing has changed: 304, and of the body what is known of it.

    Args:
        result: The answer's.
        former: The one before.

    Returns:
        Status, seconds and the way there of the answer; size, type, title and path of the former
        result; the validators that the answer has, else the former ones (RFC 9111 §3.2).
    """
    facts = msgspec.structs.asdict(result) | {
        "bytes": former.bytes,
        "content_type": former.content_type,
        "title": former.title,
        "path": former.path,
        "etag": getattr(result, "etag", None) or former.etag,
        "last_modified": getattr(result, "last_modified", None) or former.last_modified,
    }
    return Kept(**facts)
