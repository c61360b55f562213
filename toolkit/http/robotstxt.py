"""One robots.txt: what it allows one robot (RFC 9309 §2.2). No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from toolkit.errors import MissingExtra

MAX_BYTES = 500 * 1024  # RFC 9309 §2.5
MAX_CRAWL_DELAY = 60.0

_TOKEN = re.compile(r"[A-Za-z_-]+")
_AGENT = re.compile(r"[\s\ufeff]*+user[- ]?agent(?=[:\s])[:\s]*+(.*)", re.IGNORECASE)
_OF_NO_GROUP = re.compile(r"\s*+(?:(?:site-?map|host)s?[:\s]|#|$)", re.IGNORECASE)


class RobotsTxt:
    """What a robots.txt allows one robot.

    Args:
        protego: The rules, as protego has read them.
        token: The robot's name.
        size: The bytes of its rules. They take up to ninety times as much memory.
    """

    def __init__(self, protego: Any, token: str, size: int) -> None:
        self._protego = protego
        self._token = token
        self.size = size

    def allows(self, url: str) -> bool:
        """Whether a URL may be fetched.

        Args:
            url: The URL, percent-encoded.
        """
        return bool(self._protego.can_fetch(url, self._token))

    @property
    def crawl_delay(self) -> float | None:
        """How many seconds it wants between two requests, at most 60; None if it does not say."""
        delay = self._protego.crawl_delay(self._token)
        return None if delay is None else min(float(delay), MAX_CRAWL_DELAY)


def reader_for(user_agent: str) -> Callable[[bytes], RobotsTxt]:
    """What reads a robots.txt for one robot.

    Args:
        user_agent: Whose rules count: the name at its beginning, in any case (RFC 9309 §2.2.1);
            where there are none for it, those for all.

    Returns:
        A function from the bytes of a robots.txt, of which 500 KiB are read, to a RobotsTxt.
        Whatever the bytes are, it does not fail.

    Raises:
        MissingExtra: The package protego is not installed.
        ValueError: `user_agent` does not begin with a name.
    """
    try:
        from protego import Protego
    except ImportError as error:
        raise MissingExtra(
            "robots.txt is read by the package protego, which is not installed: "
            "pip install 'twisted-app-toolkit[robots]'"
        ) from error
    found = _TOKEN.match(user_agent)
    if found is None:
        raise ValueError(f"user_agent must begin with a name, not {user_agent!r}")
    token = found[0].lower()

    def read(body: bytes) -> RobotsTxt:
        text = "\n".join(_ours(_readable(body), token))
        return RobotsTxt(Protego.parse(text), token, len(text))

    return read


def _readable(body: bytes) -> str:
    if len(body) > MAX_BYTES:  # the last line may be cut, and then says something else
        body = body[: max(body.rfind(end, 0, MAX_BYTES) for end in (b"\n", b"\r")) + 1]
    return body.decode("utf-8", "replace")


def _ours(text: str, token: str) -> Iterator[str]:
    """The lines of the groups that are for a token or for all.

    protego takes a group for `twisted` as one for `twisted-app-toolkit`, and time and memory for
    each rule of each agent of a group: 10 s for 100 KB of 3,000 agents with 3,000 rules.
    """
    ours = in_rules = False
    for line in text.splitlines():
        found = _AGENT.match(line)
        if found:
            name = found[1].partition("#")[0].strip()
            product = _TOKEN.match(name)
            ours = ours and not in_rules
            in_rules = False
            if name == "*" or (product and product[0].lower() == token):
                ours = True
                yield f"User-agent: {'*' if name == '*' else token}"
        elif not _OF_NO_GROUP.match(line):
            in_rules = True
            if ours:
                yield line
