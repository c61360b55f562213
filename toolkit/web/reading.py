"""A request's query and body as typed records; what is wrong is said with the field's name."""

from __future__ import annotations

import re
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import inspect

from toolkit.web.errors import BadRequest, UnsupportedMediaType
from toolkit.web.mistakes import Mistakes
from toolkit.web.parameters import parameters

T = TypeVar("T")

_JSON = re.compile(rb'application/json\s*(?:;\s*(?:charset=(?:utf-8|"utf-8"))?)?', re.IGNORECASE)
# What may stand before it, without a second look at any byte (a body may have 170,000 escapes).
_LONE = re.compile(
    rb"(?:[^\\]++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]|\\u(?![dD][89a-fA-F])|\\[^u])*+"
    rb"(\\u[dD][89a-fA-F][0-9a-fA-F]{2})",
    re.DOTALL,
)
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
        self._mistakes = Mistakes(kind)

    def read(self, request: Any) -> T:
        """The body of a request, which has come as a whole.

        Raises:
            UnsupportedMediaType: It is not said to be JSON in UTF-8, or it is compressed. (A page
                of another site can send plain text and forms without being asked, but not JSON.)
            BadRequest: It is not JSON (code `invalid-json`), or not such a record
                (`invalid-body`).
        """
        _check_media_type(request.requestHeaders.getRawHeaders(b"content-type"))
        _check_coding(request.requestHeaders.getRawHeaders(b"content-encoding"))
        content = request.content.read()
        if not content:
            raise BadRequest("the body is empty; expected JSON", "invalid-json")
        try:
            return self._decoder.decode(content)
        except msgspec.ValidationError as error:
            raise BadRequest(f"body: {self._mistakes.told(error)}", "invalid-body") from error
        except UnicodeDecodeError as error:
            raise BadRequest("the body is not UTF-8", "invalid-json") from error
        except RecursionError as error:
            raise BadRequest("the body is nested too deep", "invalid-json") from error
        except ValueError as error:
            escape = _lone_surrogate(content)
            if escape is not None:
                raise BadRequest(
                    f"the body has half a character: {escape}, a surrogate without its other half",
                    "invalid-json",
                ) from error
            raise BadRequest(f"the body is not JSON: {error}", "invalid-json") from error


class Query(Generic[T]):
    """Reads the queries of requests.

    Args:
        kind: A `msgspec.Struct`. A field that is a list takes all values of its name, any other
            just one; numbers, true and false are read from text.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._mistakes = Mistakes(kind)
        info = inspect.type_info(kind)
        fields = info.fields if isinstance(info, inspect.StructType) else ()
        self._lists = {field.encode_name for field in fields if _is_list(field.type)}

    def read(self, request: Any) -> T:
        """The query of a request, and nothing of its body.

        Raises:
            BadRequest: It is not such a record (code `invalid-query`).
        """
        values: dict[str, str | list[str]] = {}
        query: bytes = request.uri.partition(b"?")[2]
        try:
            for raw, given in parameters(query).items():
                name = raw.decode("utf-8")
                texts = [one.decode("utf-8") for one in given]
                if name not in self._lists and name in self._mistakes.names and len(texts) > 1:
                    raise BadRequest(f"query: {name}: given {len(texts)} times", "invalid-query")
                values[name] = texts if name in self._lists else texts[0]
            return msgspec.convert(values, self._kind, strict=False)
        except msgspec.ValidationError as error:
            raise BadRequest(f"query: {self._mistakes.told(error)}", "invalid-query") from error
        except UnicodeDecodeError as error:
            raise BadRequest("query: it is not UTF-8", "invalid-query") from error


def _lone_surrogate(content: bytes) -> str | None:
    """The first escape in JSON that is half a character, without its other half (RFC 8259 §8.2)."""
    found = _LONE.match(content)
    return None if found is None else found[1].decode("ascii")


def _check_coding(given: list[bytes] | None) -> None:
    codings = b", ".join(given or ()).strip().lower()
    if codings not in (b"", b"identity"):
        raise UnsupportedMediaType(
            f"expected a body without a Content-Encoding, found {codings.decode('latin-1')[:100]}",
            "unsupported-content-encoding",
            headers={"accept-encoding": "identity"},
        )


def _check_media_type(given: list[bytes] | None) -> None:
    if given == [b"application/json"]:
        return
    value = b", ".join(given or ())
    if _JSON.fullmatch(value.strip()) is None:
        raise UnsupportedMediaType(
            "expected a body of the Content-Type application/json, in UTF-8, found "
            + (value.decode("latin-1")[:100] or "none")
        )


def _is_list(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.Metadata):
        return _is_list(kind.type)
    if isinstance(kind, inspect.UnionType):
        return any(_is_list(one) for one in kind.types)
    return isinstance(kind, _MANY)
