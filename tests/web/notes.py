"""An app of every kind of route."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from klein import Klein
from msgspec import Meta
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from werkzeug.exceptions import Gone

from toolkit.log import context_fields
from toolkit.waiting import shielded
from toolkit.web.answers import JsonResponse
from toolkit.web.errors import Conflict, NotFound
from toolkit.web.handler import as_json


class Note(msgspec.Struct, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1)]
    stars: Annotated[int, Meta(ge=0, le=5)] = 0


class Which(msgspec.Struct, forbid_unknown_fields=True):
    author: str
    most: int = 10
    tag: list[str] = []


class Notes:
    """An app of every kind of route."""

    app = Klein()
    log = Logger()

    def __init__(self) -> None:
        self.waiting: Deferred[Any] = Deferred(self._cancelled)
        self.was_cancelled = False
        self.is_finished = False

    def _cancelled(self, _: object) -> None:
        self.was_cancelled = True

    @app.route("/notes", methods=["GET"])
    @as_json(query=Which)
    def find(self, request: Any, query: Which) -> Any:
        return {"author": query.author, "most": query.most, "tags": query.tag}

    @app.route("/notes", methods=["POST"])
    @as_json(body=Note)
    async def add(self, request: Any, body: Note) -> JsonResponse:
        return JsonResponse({"text": body.text}, 201, {"Location": "/notes/1"})

    @app.route("/notes/<int:number>", methods=["GET"])
    @as_json()
    def one(self, request: Any, number: int) -> Any:
        if number == 404:
            raise NotFound("there is no note 404", "no-such-note")
        if number == 409:
            raise Conflict("it is so already")
        if number == 410:
            raise Gone
        return number

    @app.route("/notes/<int:number>", methods=["DELETE"])
    @as_json()
    def remove(self, request: Any, number: int) -> None:
        return None

    @app.route("/bug", methods=["GET"])
    @as_json()
    def bug(self, request: Any) -> Any:
        raise RuntimeError("the password is hunter2")

    @app.route("/slow-bug", methods=["GET"])
    @as_json()
    async def slow_bug(self, request: Any) -> Any:
        await self.waiting
        raise RuntimeError("the password is hunter2")

    @app.route("/unencodable", methods=["GET"])
    @as_json()
    def unencodable(self, request: Any) -> Any:
        return object()

    @app.route("/half", methods=["GET"])
    @as_json()
    def half(self, request: Any) -> Any:
        request.write(b"half")
        raise RuntimeError("in the midst of it")

    @app.route("/wait", methods=["GET"])
    @as_json()
    async def wait(self, request: Any) -> Any:
        return await self.waiting

    @app.route("/write", methods=["PUT"])
    @as_json()
    async def write(self, request: Any) -> Any:
        await shielded(self._write())
        self.is_finished = True

    async def _write(self) -> None:
        await self.waiting

    @app.route("/logs", methods=["GET"])
    @as_json()
    async def logs(self, request: Any) -> Any:
        before = dict(context_fields())
        await self.waiting
        return [before, dict(context_fields())]

    @app.route("/folder/", methods=["GET"])
    @as_json()
    def folder(self, request: Any) -> Any:
        return "here"

    @app.route("/text", methods=["GET"])
    def text(self, request: Any) -> str:
        return "plain"

    @app.route("/text-bug", methods=["GET"])
    def text_bug(self, request: Any) -> str:
        raise RuntimeError("the password is hunter2")
