"""A Klein app as a resource whose routes answer in JSON, their errors too."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from werkzeug.exceptions import MethodNotAllowed, NotFound as NoRoute
from werkzeug.routing import RequestRedirect

from toolkit.errors import SettingsError, printable
from toolkit.log import log_context
from toolkit.service import Shared
from toolkit.settings import Meta
from toolkit.web.answers import JsonResponse
from toolkit.web.errors import BadRequest, HttpError, NotFound
from toolkit.web.handler import answers_json, check_routes
from toolkit.web.handling import Handling, answer, answer_failure
from toolkit.web.identity import request_id
from toolkit.web.request import LimitedRequest
from toolkit.web.site import WebSettings, serving

# RFC 9110 §9.1 and RFC 5789: what is known, though there may be no route for it.
_METHODS = frozenset(
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"]
)
_RENDERED = object()  # not NOT_DONE_YET: that is 1, which a handler may return


class JsonSettings(WebSettings):
    """Where a service of JSON listens, and its limits."""

    handler_seconds: Annotated[
        float, Meta(gt=0, description="answer 503 when a handler has not answered by then")
    ] = 30.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.handler_seconds >= self.idle_seconds:
            raise SettingsError(
                [
                    f"handler_seconds ({self.handler_seconds:g}) must be less than "
                    f"idle_seconds ({self.idle_seconds:g}), which ends the connection"
                ]
            )


def serving_json(shared: Shared, app: Any, settings: JsonSettings) -> IService:
    """A service that serves a Klein app whose routes are made by `as_json`.

    Args:
        shared: The reactor, and the service's name for the log.
        app: The Klein app; of an object whose class has one, `thing.app`.
        settings: Where to listen, and the limits.

    Returns:
        A service; see `serving`.

    Raises:
        ToolkitError: A route of the app would not do what it says.
    """
    return serving(shared, JsonResource(shared.reactor, app, settings.handler_seconds), settings)


class JsonResource(Resource):
    """Renders the routes of a Klein app.

    Those made by `as_json` are rendered here; the others are left to Klein, whole. Each request
    has an id (X-Request-ID), which is in its answer and its lines of the log. What there is no
    route for is answered in JSON: 404, 405 with Allow, 501 for a method that is none, 308 to where
    a slash is missing; and OPTIONS, for which no route is needed. A slash too many is another path,
    and so is one that is escaped (`%2F`). What the app's `handle_errors` names counts for Klein's
    own routes.

    Args:
        clock: The reactor, or in a test a Clock; it times the handlers.
        app: A Klein app.
        handler_seconds: How long a handler may take.

    Raises:
        ToolkitError: A route of the app would not do what it says; see `check_routes`.
    """

    isLeaf = True
    reads_forms = False  # but for a route that is Klein's own, when that is found

    def __init__(self, clock: IReactorTime, app: Any, handler_seconds: float = 30.0) -> None:
        super().__init__()
        check_routes(app)
        self._clock = clock
        self._app = app
        self._seconds = handler_seconds
        self._kleins_own = app.resource()
        # The name is of no use: what Host says is neither looked at nor repeated.
        self._routes = app.url_map.bind("localhost")

    def render(self, request: Any) -> int:
        """Begin to answer a request."""
        identity = request_id(request.requestHeaders.getRawHeaders(b"x-request-id"))
        request.responseHeaders.setRawHeaders(b"x-request-id", [identity])
        with log_context(request_id=identity):
            try:
                result = self._begun(request)
            except Exception:  # noqa: BLE001 - a handler may raise anything
                answer_failure(request, Failure())
            else:
                if isinstance(result, Deferred):
                    Handling(self._clock, self._seconds, request, identity, result)
                elif result is not _RENDERED:
                    answer(request, result)
        return NOT_DONE_YET

    def _begun(self, request: Any) -> Any:
        """What the handler returns, or _RENDERED where Klein answers the request."""
        parts = request.postpath
        path = "/" + _decoded(b"/".join(parts))
        method = request.method.decode("latin-1")
        if method not in _METHODS and not self._is_named(method):
            raise HttpError(f"there is no method {_shown(method)} here", "unknown-method", 501)
        if path.startswith("//") or path.count("/") != len(parts):
            raise _no_route(request.path.decode("latin-1"))
        try:
            rule, values = self._routes.match(path, method, return_rule=True)
        except NoRoute:
            raise _no_route(path) from None
        except MethodNotAllowed as refused:
            allowed = sorted({*(refused.valid_methods or ()), "OPTIONS"})
            allow = {"allow": ", ".join(allowed)}
            if method == "OPTIONS":
                return JsonResponse(None, 204, allow)
            raise HttpError(
                f"{_shown(method)} is not allowed at {_shown(path)}; allowed: {allow['allow']}",
                "method-not-allowed",
                405,
                allow,
            ) from None
        except RequestRedirect as moved:
            if "//" in path:
                raise _no_route(path) from None
            place = _place(request, moved.new_url.removeprefix("http://localhost"))
            raise HttpError(f"it is at {place}", "moved", moved.code, {"location": place}) from None
        endpoint = rule.endpoint
        if answers_json(self._app.endpoints[endpoint]):
            return self._app.execute_endpoint(endpoint, request, **values)
        if isinstance(request, LimitedRequest):
            request.read_form()
        self._kleins_own.render(request)
        return _RENDERED

    def _is_named(self, method: str) -> bool:
        """Whether a route is for this method, as it is written."""
        return any(method in (rule.methods or ()) for rule in self._app.url_map.iter_rules())


def _no_route(path: str) -> NotFound:
    return NotFound(f"there is nothing at {_shown(path)}", "unknown-path")


def _decoded(path: bytes) -> str:
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("the path is not UTF-8", "invalid-path") from None


def _shown(text: str) -> str:
    return printable(text if len(text) <= 100 else f"{text[:100]}…")


def _place(request: Any, path: str) -> str:
    """Where a path of the app is on this site, with the query of the request."""
    before = "".join(f"/{quote(_decoded(part), safe='')}" for part in request.prepath)
    _, mark, query = request.uri.partition(b"?")
    # One slash: two would name another host.
    return f"{before}/{path.lstrip('/')}{(mark + query).decode('latin-1')}"
