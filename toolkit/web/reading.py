"""A request's query and body as typed records; what is wrong is said with the field's name."""

from __future__ import annotations

import re
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import inspect

from toolkit.settings import nearest
from toolkit.web.errors import BadRequest, UnsupportedMediaType

T = TypeVar("T")

_FIELD = re.compile(r"Object (?P<how>missing required|contains unknown) field `(?P<name>.*)`", re.S)
_LONGEST = 200  # of what is repeated: a name may be as long as a body
_CHARSET = re.compile(rb';\s*charset\s*=\s*"?([^";\s]*)', re.IGNORECASE)
_MANY = (
    inspect.ListType,
    inspect.VarTupleType,
    inspect.TupleType,
    inspect.SetType,
    inspect.FrozenSetType,
)


class Body(Generic[T]):
    """Reads the bodies of requests.

    Args:
        kind: What a body is: a `msgspec.Struct`, or any other type that msgspec decodes.
    """

    def __init__(self, kind: type[T]) -> None:
        self._decoder = msgspec.json.Decoder(kind)
        self._names = _names(kind)

    def read(self, request: Any) -> T:
        """The body of a request, which has come as a whole.

        Raises:
            UnsupportedMediaType: It is not said to be JSON in UTF-8. (A page of another site can
                send plain text and forms without being asked, but not JSON.)
            BadRequest: It is not JSON (code `invalid-json`), or not such a record
                (`invalid-body`).
        """
        _check_media_type(request.requestHeaders.getRawHeaders(b"content-type"))
        content = request.content.read()
        if not content:
            raise BadRequest("the body is empty; expected JSON", "invalid-json")
        try:
            return self._decoder.decode(content)
        except msgspec.ValidationError as error:
            raise BadRequest(f"body: {told(error, self._names)}", "invalid-body") from error
        except UnicodeDecodeError as error:
            raise BadRequest("the body is not UTF-8", "invalid-json") from error
        except RecursionError as error:
            raise BadRequest("the body is nested too deep", "invalid-json") from error
        except ValueError as error:
            raise BadRequest(f"the body is not JSON: {error}", "invalid-json") from error


class Query(Generic[T]):
    """Reads the queries of requests.

    Args:
        kind: A `msgspec.Struct`. A field that is a list takes all values of its name, any other
            just one; numbers, true and false are read from text.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._names = _names(kind)
        info = inspect.type_info(kind)
        fields = info.fields if isinstance(info, inspect.StructType) else ()
        self._lists = {field.encode_name for field in fields if _is_list(field.type)}

    def read(self, request: Any) -> T:
        """The query of a request.

        Raises:
            BadRequest: It is not such a record (code `invalid-query`).
        """
        values: dict[str, str | list[str]] = {}
        try:
            for raw, given in request.args.items():
                name = raw.decode("utf-8")
                texts = [one.decode("utf-8") for one in given]
                if name not in self._lists and name in self._names and len(texts) > 1:
                    raise BadRequest(f"query: {name}: given {len(texts)} times", "invalid-query")
                values[name] = texts if name in self._lists else texts[0]
            return msgspec.convert(values, self._kind, strict=False)
        except msgspec.ValidationError as error:
            raise BadRequest(f"query: {told(error, self._names)}", "invalid-query") from error
        except UnicodeDecodeError as error:
            raise BadRequest("query: it is not UTF-8", "invalid-query") from error


def told(error: msgspec.ValidationError, known: set[str]) -> str:
    """What msgspec found wrong, with the field first: `age: expected int >= 0`.

    Args:
        error: What it raised.
        known: The names of the record's fields, for the one that is most like an unknown name.
    """
    what, at, where = str(error).rpartition(" - at `")
    if not at:
        what, where = where, ""
    what, where = _short(what), _short(where)
    is_key = where.startswith("key")
    where = where.rpartition("$")[2].rstrip("`").removeprefix(".")
    field = _FIELD.fullmatch(what)
    if field is not None:
        place = f"{where}.{field['name']}" if where else field["name"]
        if field["how"].startswith("missing"):
            return f"{place}: it is missing"
        return f"{place}: unknown field{'' if where else nearest(field['name'], known)}"
    sentence = what[:1].lower() + what[1:].replace("`", "")
    if is_key:
        sentence = f"a key: {sentence}"
    return f"{where}: {sentence}" if where else sentence


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…`"


def _check_media_type(given: list[bytes] | None) -> None:
    value = given[0] if given else b""
    if value == b"application/json":
        return
    media = value.partition(b";")[0].strip().lower()
    if media != b"application/json" and not media.endswith(b"+json"):
        found = value.decode("latin-1")[:100] if value else "none"
        raise UnsupportedMediaType(
            f"expected a body of the Content-Type application/json, found {found}"
        )
    charset = _CHARSET.search(value)
    if charset is not None and charset[1].lower() not in (b"utf-8", b"utf8", b"us-ascii"):
        raise UnsupportedMediaType(
            f"expected JSON in UTF-8, found {charset[1].decode('latin-1')[:100]}"
        )


def _names(kind: Any) -> set[str]:
    info = inspect.type_info(kind)
    if isinstance(info, inspect.StructType):
        return {field.encode_name for field in info.fields}
    return set()


def _is_list(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.Metadata):
        return _is_list(kind.type)
    if isinstance(kind, inspect.UnionType):
        return any(_is_list(one) for one in kind.types)
    return isinstance(kind, _MANY)
