"""Which database, and how it is used: the table `[database]`."""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple

from toolkit.settings import Meta, Secret, Settings

EXPECTED = "sqlite:PATH, sqlite::memory: or postgresql://HOST/NAME"

Isolation = Literal["serializable", "repeatable-read", "read-committed"]


class Place(NamedTuple):
    """Where a database is: the driver's name, and the path or the URL it takes."""

    driver: Literal["sqlite", "postgresql"]
    target: str
    read_only: bool = False


def place_of(url: str) -> Place:
    """Where a URL leads to.

    Args:
        url: `sqlite:PATH` (`sqlite:PATH?mode=ro` is opened for reading only), `sqlite::memory:`
            or `postgresql://…`, as libpq takes it.

    Raises:
        ValueError: It is none of them, with what would be right.
    """
    if url.startswith("sqlite:"):
        path, _, options = url.removeprefix("sqlite:").partition("?")
        if path and not path.startswith("//") and "\0" not in path and options in ("", "mode=ro"):
            return Place("sqlite", path, bool(options))
    elif re.match(r"postgres(ql)?://[^\s\0]*\Z", url):
        return Place("postgresql", url)
    hint = _hint(url)
    raise ValueError(f"{EXPECTED} ({hint})" if hint else EXPECTED)


def _hint(url: str) -> str:
    scheme, colon, rest = url.partition(":")
    scheme = scheme.lower()
    if not url.strip():
        return "nothing was given"
    if scheme == "sqlite" and rest.startswith("//"):
        return "without // before the path: sqlite:/absolute/path or sqlite:relative/path"
    if scheme == "sqlite" and "?" in rest:
        return "after a ? only mode=ro"
    if scheme.startswith(("postgres", "sqlite+")) and "+" in scheme:
        return "without the driver's name"
    if scheme in ("postgres", "postgresql") and re.search(r"\s", rest):
        return "a space in it is written %20"
    if scheme in ("postgres", "postgresql"):
        return "with // after postgresql:, in small letters"
    if scheme == "file":
        return "sqlite: in place of file:"
    if colon and "//" in rest:
        return "there is no other kind"
    return "" if scheme == "sqlite" else "a path begins with sqlite:"


def _check(url: str) -> None:
    place_of(url)


class DatabaseSettings(Settings):
    """How a database is used: connections, deadlines, limits."""

    password: Annotated[
        Secret | None, Meta(description="for PostgreSQL, where it is not in the URL")
    ] = None
    connections: Annotated[
        int, Meta(ge=1, le=1000, description="the most connections at once; SQLite: that read")
    ] = 8
    max_streams: Annotated[
        int, Meta(ge=1, le=1000, description="the most streams at once, a connection each")
    ] = 4
    max_waiting: Annotated[int, Meta(ge=1, description="the most calls that wait")] = 1000
    connect_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="seconds to get a connection")
    ] = 10.0
    deadline_seconds: Annotated[
        float, Meta(gt=0, le=86_400, description="seconds that one call may take in all")
    ] = 30.0
    busy_seconds: Annotated[
        float, Meta(ge=0, le=3600, description="seconds to wait for another's lock")
    ] = 5.0
    stream_idle_seconds: Annotated[
        float, Meta(gt=0, le=86_400, description="seconds that a stream may stand still")
    ] = 300.0
    attempts: Annotated[
        int, Meta(ge=1, le=100, description="how often one call is tried, where that is safe")
    ] = 5
    conflicts: Annotated[
        int, Meta(ge=0, le=10_000, description="how often one that conflicts is tried again")
    ] = 200
    isolation: Annotated[
        Isolation, Meta(description="PostgreSQL: what transactions see of one another")
    ] = "serializable"
    slow_seconds: Annotated[
        float, Meta(gt=0, description="a statement that takes longer is logged")
    ] = 1.0
    drain_seconds: Annotated[
        float, Meta(ge=0, le=3600, description="seconds for what runs to end at the stop")
    ] = 5.0
    synchronous: Annotated[
        Literal["full", "normal"],
        Meta(description="SQLite: on disk at each commit (full), or soon after (normal)"),
    ] = "full"


class DatabaseTable(DatabaseSettings):
    """The database that the services of a process share."""

    url: Annotated[
        str, Meta(description="sqlite:PATH or postgresql://…", extra={"check": _check})
    ] = "sqlite:site.db"
