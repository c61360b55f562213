"""What a request is for: its first line and its Host (RFC 9112 §3). No I/O."""

from __future__ import annotations

import re

_LABEL = rb"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(
    rb"(?:(?=.{1,254}(?::|$))%b(?:\.%b)*\.?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?"
    % (_LABEL, _LABEL)
)
_ABSOLUTE = re.compile(
    rb"https?://(?P<host>[^/?#]+)(?P<path>/[^?#]*)?(?P<query>\?.*)?", re.IGNORECASE
)
_OTHER_VERSION = re.compile(rb"(?P<method>\S+) \S+ HTTP/[0-9]\.[0-9]")


def name_a_host(hosts: list[bytes], version: bytes) -> bool:
    """Whether the Host headers are one that is valid, which HTTP/1.1 asks for (RFC 9112 §3.2).

    Args:
        hosts: Their values.
        version: The request's.
    """
    if not hosts and version != b"HTTP/1.1":
        return True
    return len(hosts) == 1 and _HOST.fullmatch(hosts[0]) is not None


def path_of(method: bytes, target: bytes) -> bytes | None:
    """The path and query of a target that does not begin with a slash (RFC 9112 §3.2).

    Args:
        method: The request's.
        target: A whole URL, which is taken for its path and query, or `*`, which is this server.

    Returns:
        The path and query, or None if it is neither.
    """
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None and _HOST.fullmatch(absolute["host"]) is not None:
        return (absolute["path"] or b"/") + (absolute["query"] or b"")
    return target if target == b"*" and method == b"OPTIONS" else None


def method_of_other_version(line: bytes) -> bytes:
    """The method of a first line that is one of HTTP, if not of a version that is read here.

    Args:
        line: A line that could not be read.

    Returns:
        The method, or nothing.
    """
    match = _OTHER_VERSION.fullmatch(line)
    return b"" if match is None or match[0].endswith((b"/1.0", b"/1.1")) else match["method"]
