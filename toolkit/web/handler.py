"""as_json: a Klein route whose query and body are records, and whose answer is a value."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from toolkit.errors import ToolkitError
from toolkit.web.reading import Body, Query

Handler = Callable[..., Any]
"""A handler of a route, as Klein calls it: with the instance, if there is one, and the request."""

_GIVEN = "given_by_as_json"  # of what it made: the names of what the handler is given besides
_COVERED = "covered_by_as_json"  # of the handler in it


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
            another body is refused. (A path has no variable of either name.)
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

        setattr(read_and_handle, _GIVEN, tuple(name for name, _ in inputs))
        with contextlib.suppress(AttributeError):  # a method of an instance has none of its own
            setattr(handler, _COVERED, True)
        return read_and_handle

    return decorate


def answers_json(endpoint: Any) -> bool:
    """Whether a Klein endpoint was made by `as_json`; Klein copies a handler's attributes.

    Args:
        endpoint: A value of `Klein.endpoints`.
    """
    return hasattr(endpoint, _GIVEN)


def check_routes(app: Any) -> None:
    """Look for routes that would not do what they say.

    Args:
        app: A Klein app.

    Raises:
        ToolkitError: An `as_json` that no route knows of, for it stands above `@app.route(…)`; or
            a path with a variable of the name of what `as_json` gives.
    """
    for rule in app.url_map.iter_rules():
        endpoint = app.endpoints[rule.endpoint]
        handler = getattr(endpoint, "__wrapped__", None)
        name = getattr(handler, "__qualname__", rule.endpoint)
        if not answers_json(endpoint) and hasattr(handler, _COVERED):
            raise ToolkitError(
                f"{name}: @as_json stands above the route {rule.rule}, which does not see it; "
                "write it below @app.route",
                "invalid-route",
            )
        for given in getattr(endpoint, _GIVEN, ()):
            if given in rule.arguments:
                raise ToolkitError(
                    f"{name}: {given!r} is both in the path {rule.rule} and given by @as_json; "
                    "name it otherwise in the path",
                    "invalid-route",
                )
