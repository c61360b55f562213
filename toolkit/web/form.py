"""Forms: so many fields at most, read in a time that grows with the size alone. No I/O.

(Twisted reads a form of parts as a mail, line by line: one of 1 MB held the reactor for a second.)
"""

from __future__ import annotations

import re

from toolkit.web.errors import BadRequest, HttpError
from toolkit.web.parameters import parameters

# Each matches in linear time: no two neighbours in it can take the same byte.
_PARAMETER = re.compile(
    rb';[ \t\r\n]*([^\s=;"]*)[ \t]*(?:=[ \t]*(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s;"]*))[ \t]*)?',
    re.S,
)
_DISPOSITION = re.compile(
    rb"^content-disposition[ \t]*:(.*(?:\n[ \t].*){0,20})", re.IGNORECASE | re.MULTILINE
)
_BLANK_LINE = re.compile(rb"(?:\A|\n)\r?\n")
_LONGEST_BOUNDARY = 70  # RFC 2046 §5.1.1
_MOST_PARAMETERS = 20  # that are looked at: a header has three


def form_fields(kind: bytes, body: bytes, most: int) -> dict[bytes, list[bytes]]:
    """The fields of a form: the values of each name.

    Args:
        kind: The Content-Type of what was sent.
        body: What was sent.
        most: How many fields there may be.

    Returns:
        The fields; none if it is not a form. Those of parts (RFC 7578) are as they came, a
        Content-Transfer-Encoding is not looked at; a part without a name is left out.

    Raises:
        HttpError: There are more fields (413, `too-many-fields`).
        BadRequest: It cannot be read (`malformed-form`).
    """
    media = kind.partition(b";")[0].strip().lower()
    if media == b"application/x-www-form-urlencoded":
        if body.count(b"&") >= most:
            raise _too_many(most)
        return parameters(body)
    if media == b"multipart/form-data":
        return _fields_of_parts(parameter_of(kind, b"boundary"), body, most)
    return {}


def parameter_of(header: bytes, name: bytes) -> bytes | None:
    """The first parameter of a name in the value of a header, or None.

    Args:
        header: `form-data; name="a"; filename="b"`.
        name: The name, in small letters.
    """
    at = max(0, header.find(b";"))
    for _ in range(_MOST_PARAMETERS):
        found = _PARAMETER.match(header, at)
        if found is None:
            return None
        if found[1].lower() == name:
            if found[2] is None:
                return found[3]
            return found[2].replace(rb"\\", b"\\").replace(rb"\"", b'"')
        at = found.end()
    return None


def _fields_of_parts(boundary: bytes | None, body: bytes, most: int) -> dict[bytes, list[bytes]]:
    if not boundary or len(boundary) > _LONGEST_BOUNDARY:
        raise _malformed(f"its Content-Type names no boundary of 1 to {_LONGEST_BOUNDARY} bytes")
    line = re.compile(rb"^--%b(--)?[ \t]*\r?$" % re.escape(boundary), re.MULTILINE)
    fields: dict[bytes, list[bytes]] = {}
    begins: int | None = None
    for count, found in enumerate(line.finditer(body)):
        if begins is not None:
            _add(fields, body[begins : found.start()])
        if found[1] is not None:
            return fields
        if count == most:
            raise _too_many(most)
        begins = found.end()
    raise _malformed("the line that ends it is missing")


def _add(fields: dict[bytes, list[bytes]], part: bytes) -> None:
    """Add a part: what is between the lines of the boundary, with the ends of both lines."""
    part = part.removeprefix(b"\n")
    part = part.removesuffix(b"\r\n") if part.endswith(b"\r\n") else part.removesuffix(b"\n")
    blank = _BLANK_LINE.search(part)
    head, value = (part[: blank.start()], part[blank.end() :]) if blank else (part, b"")
    disposition = _DISPOSITION.search(head)
    name = parameter_of(disposition[1], b"name") if disposition else None
    if name:
        fields.setdefault(name, []).append(value)


def _too_many(most: int) -> HttpError:
    return HttpError(f"the form has more than {most} fields", "too-many-fields", 413)


def _malformed(why: str) -> BadRequest:
    return BadRequest(f"the form cannot be read: {why}", "malformed-form")
