"""What must not be read in a log: fields named like a secret, URLs with credentials."""

from __future__ import annotations

import functools
import json
import re
from urllib.parse import quote

from toolkit.secret import MASK

_MOST = 1000  # names of parameters remembered: a peer may make them up

SHORTEST = 4
"""A hidden value of fewer characters would mask half of every line."""

SHORTEST_LINE = 8
"""As `SHORTEST`, for one line of a hidden value that has several."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[^A-Za-z0-9]+")
_SECRET = re.compile(
    r"(?:^|_)(?:pass_?(?:word|wd|phrase)|pwd|secret|token|(?:api|access|private)_?key"
    r"|authori[sz]ation|bearer|jwt|cookie|credential)s?\d*(?:_|$)"
)
# A password may hold an @ of its own, so up to the last one (RFC 3986 §3.2.1). It starts at the
# "://" and ends at the next "/": each character is looked at once, whatever the text.
_USERINFO = re.compile(r"://[^\s/?#\"]*@")

# A parameter of a URL's query, its value up to what ends a parameter or the URL.
_PARAMETER = re.compile(r"([?&;]([^\s?&;=#\"'<>]{1,64})=)[^\s&;#\"'<>]+")
_NAMES_IN_QUERY = re.compile(rb"[?&;]([^\s?&;=#\"'<>]{1,64})=")
_ESCAPED = re.compile(r"[^ !#-\[\]-~]")


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret.

    Args:
        name: A field's name, a header's, a key's: `db_password`, `X-Api-Key`, `accessToken`.

    Returns:
        True if one of its parts is a word such as password, token or cookie. `tokenizer` and
        `secretary` are other words.
    """
    # A name may come from a peer (a header's): long ones are not kept in memory.
    return _is_secret(name) if len(name) <= 100 else _is_secret.__wrapped__(name)


@functools.lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    words = _SEPARATORS.sub("_", _CAMEL.sub("_", name)).lower()
    return _SECRET.search(words) is not None


class Masks:
    """Masks the credentials in URLs and their queries, and whatever values it was told to hide."""

    def __init__(self) -> None:
        self._hidden: set[str] = set()
        self.pattern: re.Pattern[str] | None = None
        self._forms: re.Pattern[bytes] | None = None
        self._harmless: set[bytes] = set()
        self.longest = 0

    def hide(self, value: str) -> None:
        """Mask a value wherever it appears, also quoted as in a URL, in Python or in JSON.

        Args:
            value: The secret; one of fewer than 4 characters is not masked. Of one of several
                lines, those of at least 8 are masked too: what is printed is logged line by line.
        """
        for one in (value, *_lines(value)):
            forms = {one, quote(one), quote(one, safe=""), repr(one)[1:-1]}
            forms |= {json.dumps(one)[1:-1], json.dumps(one, ensure_ascii=False)[1:-1]}
            self._hidden |= {form for form in forms if len(one) >= SHORTEST}
        if self._hidden:
            longest_first = sorted(self._hidden, key=len, reverse=True)
            self.longest = len(longest_first[0])
            self.pattern = re.compile("|".join(map(re.escape, longest_first)))
            # How JSON escapes the others is its encoder's choice: up to their first such character.
            begun = {_ESCAPED.split(form, maxsplit=1)[0].encode() for form in self._hidden}
            self._forms = re.compile(b"|".join(map(re.escape, sorted(begun))))

    def touch(self, line: bytes) -> bool:
        """Whether something in a line of JSON may have to be masked.

        Args:
            line: ASCII.
        """
        query = line.find(b"?")
        if query >= 0:
            names = _NAMES_IN_QUERY.findall(line, query, line.rfind(b"=") + 1)
            if not self._harmless.issuperset(names):
                if any(is_secret(name.decode()) for name in names):
                    return True
                if len(self._harmless) < _MOST:
                    self._harmless.update(names)
        if b"@" in line and b"://" in line:
            return True
        return self._forms is not None and self._forms.search(line) is not None

    def text(self, text: str) -> str:
        """The text, with what must not be read masked."""
        if "://" in text and "@" in text:
            text = _USERINFO.sub(f"://{MASK}@", text)
        if "?" in text and "=" in text:
            text = _PARAMETER.sub(_without_value, text)
        if self.pattern is not None:
            text = self.pattern.sub(MASK, text)
        return text


def _lines(value: str) -> list[str]:
    """The lines of a secret of several that are secret themselves: a PEM's marks are not."""
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) < 2:
        return []
    return [line for line in lines if len(line) >= SHORTEST_LINE and not line.startswith("-----")]


def _without_value(match: re.Match[str]) -> str:
    return match[1] + MASK if is_secret(match[2]) else match[0]
