"""The title of a page, in time proportional to its length whatever it holds. No I/O.

Python 3.11's `html.parser` takes hours for 5 MB of `<meta`, and reads tags within a title. This
reads as much of the HTML standard's "tokenization" as it takes to know where a title is: nothing is
looked at twice, as what has no end goes on to the end of the page.
"""

from __future__ import annotations

import html
import re

from toolkit.http.charset import text_of

MAX_TITLE = 4096
"""The most characters of a title; the rest is one `…`."""

_RAW_LENGTH = 16 * MAX_TITLE  # as written, with entities and line ends

_MARKUP_TYPE = re.compile(
    rb"\s*(?:text/html|(?:text|application)/xml|[\w.+-]+/[\w.+-]+\+xml)\s*(?:;|$)", re.IGNORECASE
)
_XML_TYPE = re.compile(rb"[^;]*xml", re.IGNORECASE)
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<|\xfe\xff|\xff\xfe|\0<")

# In these a tag is text. In the others a title is no title of the page.
_RAW = ("script", "style", "textarea", "xmp", "iframe", "noembed", "noframes")
_APART = ("svg", "math", "template")
_NAMES = "|".join(("title", *_RAW, *_APART))

# What cannot match any more must not be tried again, shorter: hence each + after a repeat. There
# are no groups in these: Python 3.11 can lose their places, and raises SystemError.
_ATTRIBUTES = r"""
    (?:[\s/]*+ [^\s/>] [^\s/>=]*+
        (?:\s*+ = \s*+ (?:"[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z) | [^\s>"'][^\s>]*+ | (?=>)))?+
    )*+
"""
_NEXT = re.compile(
    rf"""
    (?: [^<]++
      | < (?: !--(?: -?> | .*?--!?> )
            | (?: !(?!--|\[CDATA\[) | \? | /(?![a-z]) ) [^>]*+ >
            | (?! [!?/a-z] )
            | /?+ (?! (?:{_NAMES})[\s/>] ) [a-z] [^\s/>]*+ {_ATTRIBUTES} [\s/]*+ >
          )
    )*+
    < (?: !\[CDATA\[ | (?P<end>/?)(?P<name>{_NAMES})(?=[\s/>])
        {_ATTRIBUTES} (?P<last>[\s/]*+) > )
    """,
    re.ASCII | re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_ENDS = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.ASCII | re.IGNORECASE) for name in ("title", *_RAW)
}
# int() refuses a number of more than 4300 digits.
_ENDLESS_NUMBER = re.compile(r"&#[0-9]{1000,};?")


def title_of(body: bytes, content_type: bytes | None) -> str | None:
    """The title of an HTML or XHTML page: its first `<title>`, as a browser would show it.

    One in a comment, a script, a style, a template or an SVG picture does not count, and a tag
    within it is text. One that has no end is what there is of it.

    Args:
        body: The page. See `text_of` for how its encoding is found.
        content_type: The value of its Content-Type header; without one, a body that begins with a
            `<` is taken for HTML.

    Returns:
        The title, its entities resolved and its white space collapsed: of its first 64 Ki
        characters at most 4096, and a `…` where there are more; "" for one that is empty. None
        where there is none, or for what is neither HTML nor XML.
    """
    if content_type and content_type.strip():
        if not _MARKUP_TYPE.match(content_type):
            return None
    elif not _MARKUP.match(body):
        return None
    is_xml = _XML_TYPE.match(content_type or b"") is not None
    text = text_of(body, content_type)
    start = _start_of_title(text, is_xml)
    if start is None:
        return None
    end = _ENDS["title"].search(text, start)
    title = text[start : min(end.start() if end else len(text), start + _RAW_LENGTH)]
    title = " ".join((_without_sections(title) if is_xml else _unescaped(title)).split())
    return title if len(title) <= MAX_TITLE else title[:MAX_TITLE] + "…"


def _start_of_title(text: str, is_xml: bool) -> int | None:
    at = depth = 0
    apart = ""  # the outermost of those that are open
    while found := _NEXT.match(text, at):
        at = found.end()
        name = (found["name"] or "").lower()
        is_empty = (found["last"] or "").endswith("/") and (
            is_xml or apart or name in ("svg", "math")
        )
        if not name:  # of a CDATA section, which outside XML is a comment
            at = text.find("]]>" if is_xml or apart else ">", at)
            if at < 0:
                return None
        elif found["end"]:
            if name == apart:
                depth -= 1
                apart = apart if depth else ""
        elif is_empty:
            continue
        elif apart:
            depth += name == apart
        elif name in _APART:
            apart, depth = name, 1
        elif name == "title":
            return at
        elif end := _ENDS[name].search(text, at):
            at = end.start()
        else:
            return None
    return None


def _without_sections(title: str) -> str:
    """The text of a title in XML, where a CDATA section has no entities."""
    first, *sections = title.split("<![CDATA[")
    pieces = [_unescaped(first)]
    for section in sections:
        literal, _, rest = section.partition("]]>")
        pieces += [literal, _unescaped(rest)]
    return "".join(pieces)


def _unescaped(text: str) -> str:
    return html.unescape(_ENDLESS_NUMBER.sub("\N{REPLACEMENT CHARACTER}", text))
