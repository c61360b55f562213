"""From the bytes of a page to its text: which encoding they are in, as browsers tell it. No I/O.

HTML standard, "determining the character encoding", and the labels of the Encoding standard. Python
is not asked for the codec of a label: it knows codecs that are no charset (`zip`, `punycode`), and
remembers each name that it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

PRESCAN_BYTES = 1024
"""A `<meta>` has to stand within so many bytes."""

_FALLBACK = "cp1252"

# Python's codec, and the standard's labels for it. What pages call latin1 or ascii is windows-1252,
# what they call gb2312 or euc-kr its larger successor.
_LABELS = {
    "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8",
    "utf-16-be": "unicodefffe utf-16be",
    "utf-16-le": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
    "cp1252": (
        "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 "
        "iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252 "
        "x-user-defined"
    ),
    "iso8859-2": (
        "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2"
    ),
    "iso8859-3": (
        "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3"
    ),
    "iso8859-4": (
        "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4"
    ),
    "iso8859-5": (
        "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 "
        "iso_8859-5:1988"
    ),
    "iso8859-6": (
        "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 "
        "iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987"
    ),
    "iso8859-7": (
        "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 "
        "iso88597 iso_8859-7 iso_8859-7:1987 sun_eu_greek"
    ),
    "iso8859-8": (
        "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 "
        "iso88598 iso_8859-8 iso_8859-8:1988 visual csiso88598i iso-8859-8-i logical"
    ),
    "iso8859-10": "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6",
    "iso8859-13": "iso-8859-13 iso8859-13 iso885913",
    "iso8859-14": "iso-8859-14 iso8859-14 iso885914",
    "iso8859-15": "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9",
    "iso8859-16": "iso-8859-16",
    "cp866": "866 cp866 csibm866 ibm866",
    "koi8-r": "cskoi8r koi koi8 koi8-r koi8_r",
    "koi8-u": "koi8-ru koi8-u",
    "mac-roman": "csmacintosh mac macintosh x-mac-roman",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "cp874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874",
    "cp1250": "cp1250 windows-1250 x-cp1250",
    "cp1251": "cp1251 windows-1251 x-cp1251",
    "cp1253": "cp1253 windows-1253 x-cp1253",
    "cp1254": (
        "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 "
        "l5 latin5 windows-1254 x-cp1254"
    ),
    "cp1255": "cp1255 windows-1255 x-cp1255",
    "cp1256": "cp1256 windows-1256 x-cp1256",
    "cp1257": "cp1257 windows-1257 x-cp1257",
    "cp1258": "cp1258 windows-1258 x-cp1258",
    "gb18030": (
        "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030"
    ),
    "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5",
    "euc_jp": "cseucpkdfmtjapanese euc-jp x-euc-jp",
    "iso2022_jp": "csiso2022jp iso-2022-jp",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis",
    "cp949": (
        "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 "
        "ksc_5601 windows-949"
    ),
}
_CODECS = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}

# The two bytes of UTF-16 without a mark are known by an XML declaration alone.
_MARKS = {
    b"\xef\xbb\xbf": ("utf-8", 3),
    b"\xfe\xff": ("utf-16-be", 2),
    b"\xff\xfe": ("utf-16-le", 2),
    b"\0<\0?": ("utf-16-be", 0),
    b"<\0?\0": ("utf-16-le", 0),
}
_PARAMETER = re.compile(rb';[\t ]*charset[\t ]*=[\t ]*"?([^\s";,]+)', re.IGNORECASE)
_DECLARED = re.compile(r"<\?xml[^>]*?\sencoding\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_ATTRIBUTE = re.compile(
    r"""[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*)|(?=>)))?"""
)
_ATTRIBUTES = (
    r"""(?:[\s/]*[^\s/>][^\s/>=]*(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>"'][^\s>]*|(?=>)))?)*"""
)
_META = re.compile(
    rf"<!--(?:-?>|.*?(?:-->|\Z))|<meta(?=[\s/])({_ATTRIBUTES})|</?[a-z][^\s/>]*{_ATTRIBUTES}"
    r"|<(?:!(?!--)|[/?])[^>]*",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_IN_CONTENT = re.compile(
    r"""charset\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;"'][^\s;]*))""", re.ASCII | re.IGNORECASE
)


def text_of(body: bytes, content_type: bytes | None) -> str:
    """The text of an HTML or XML document.

    Its encoding is what says so first: a byte order mark, the header, a `<meta>` or an XML
    declaration at its beginning; else UTF-8 if it can be that, or windows-1252.

    Args:
        body: The document.
        content_type: The value of its Content-Type header, if it has one.

    Returns:
        The text, without the mark; what is not valid in the encoding is U+FFFD.
    """
    for mark, (codec, length) in _MARKS.items():
        if body.startswith(mark):
            return body[length:].decode(codec, "replace")
    found = _in_header(content_type) or _in_document(body)
    if found is not None:
        return body.decode(found, "replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode(_FALLBACK, "replace")


def _codec(label: str) -> str | None:
    return _CODECS.get(label.strip("\t\n\f\r ").lower())


def _in_header(content_type: bytes | None) -> str | None:
    found = _PARAMETER.search(content_type or b"")
    return _codec(found[1].decode("latin-1")) if found else None


def _in_document(body: bytes) -> str | None:
    head = body[:PRESCAN_BYTES].decode("latin-1")
    codecs = map(_codec, filter(None, map(_in_meta, _metas(head))))
    codec = next(filter(None, codecs), None)
    if codec is None and (declared := _DECLARED.match(head)):
        codec = _codec(declared[1] or declared[2] or "")
    # Whoever could read so far does not read UTF-16.
    return "utf-8" if codec is not None and codec.startswith("utf-16") else codec


def _metas(head: str) -> Iterator[dict[str, str]]:
    """The attributes of each `<meta>`, the first of a name."""
    for tag in _META.finditer(head):
        if tag[1]:
            attributes: dict[str, str] = {}
            for name, *values in _ATTRIBUTE.findall(tag[1]):
                attributes.setdefault(name.lower(), "".join(values))
            yield attributes


def _in_meta(attributes: dict[str, str]) -> str | None:
    if "charset" in attributes:
        return attributes["charset"]
    if attributes.get("http-equiv", "").lower() != "content-type":
        return None
    found = _IN_CONTENT.search(attributes.get("content", ""))
    return next(filter(None, found.groups()), None) if found else None
