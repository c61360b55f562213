"""as_json: a Klein route whose query and body are records, and whose answer is a value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from toolkit.web.reading import Body, Query

Handler = Callable[..., Any]
"""A handler of a route, as Klein calls it: with the instance, if there is one, and the request."""

_MARK = "answers_json"


def as_json(
    *, query: type[Any] | None = None, body: type[Any] | None = None
) -> Callable[[Handler], Handler]:
    """Make a Klein route answer in JSON; it stands between `@app.route(…)` and the handler.

    The handler returns what msgspec encodes, or a `JsonResponse`; None is an answer without a
    body (204). It may return a Deferred or be a coroutine. An HttpError that it raises is
    answered as such; any other exception is logged, and answered with 500. It is cancelled when
    the peer leaves or its time is over; `shielded` keeps a part of it from that.

    Args:
        query: A `msgspec.Struct`: the handler is given `query=` of that type.
        body: A type that msgspec decodes: the handler is given `body=`, and a request with
            another body is refused.
    """
    inputs: list[tuple[str, Callable[[Any], Any]]] = []
    if query is not None:
        inputs.append(("query", Query(query).read))
    if body is not None:
        inputs.append(("body", Body(body).read))

    def decorate(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def read_and_handle(*positional: Any, **named: Any) -> Any:
            # Of a method, the instance is first; the request is last, as Klein calls it.
            request = positional[-1]
            for name, read in inputs:
                named[name] = read(request)
            return handler(*positional, **named)

        setattr(read_and_handle, _MARK, True)
        return read_and_handle

    return decorate


def answers_json(endpoint: Any) -> bool:
    """Whether a Klein endpoint was made by `as_json`; Klein copies a handler's attributes.

    Args:
        endpoint: A value of `Klein.endpoints`.
    """
    return bool(getattr(endpoint, _MARK, False))
