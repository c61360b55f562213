"""The settings of who asks: how connections are made, and how URLs are fetched."""

from __future__ import annotations

from typing import Annotated

from toolkit.settings import Meta, Settings


class ConnectionSettings(Settings):
    """How connections are made, and how long a peer may take."""

    connect_timeout_seconds: Annotated[
        float, Meta(gt=0, description="seconds to connect: name, TCP and TLS together")
    ] = 10.0
    first_byte_timeout_seconds: Annotated[
        float, Meta(gt=0, description="seconds from the end of a request to its answer's head")
    ] = 30.0
    stall_seconds: Annotated[
        float, Meta(gt=0, description="seconds that a peer may be silent inside a body")
    ] = 10.0
    cacert: Annotated[
        str, Meta(description="PEM file of the issuers to trust in place of the platform's")
    ] = ""
    insecure: Annotated[bool, Meta(description="do not verify certificates")] = False
    proxy: Annotated[
        str, Meta(description="URL of an HTTP proxy, none, or if empty as the environment says")
    ] = ""
    public_only: Annotated[
        bool, Meta(description="connect to addresses of the public internet only")
    ] = False


class AgentSettings(ConnectionSettings):
    """How connections are made, and how many are kept for how long."""

    max_connections: Annotated[int, Meta(ge=1, description="the most connections in all")] = 1000
    max_per_origin: Annotated[int, Meta(ge=1, description="the most connections to one origin")] = (
        100
    )
    max_waiting: Annotated[
        int, Meta(ge=0, description="the most requests that wait for a connection")
    ] = 10_000
    max_idle: Annotated[int, Meta(ge=0, description="the most idle connections kept")] = 64
    idle_seconds: Annotated[float, Meta(gt=0, description="seconds an idle one is kept")] = 15.0
    unix_socket: Annotated[
        str, Meta(description="path of a UNIX socket to connect to, whatever the URL's host is")
    ] = ""


class FetchSettings(ConnectionSettings):
    """How URLs are fetched."""

    concurrency: Annotated[int, Meta(ge=1, le=100_000, description="the most fetches at once")] = 64
    per_host: Annotated[
        int, Meta(ge=1, le=100_000, description="the most of them from one origin")
    ] = 8
    rate: Annotated[
        float, Meta(ge=0, description="the most requests a second to one origin; 0 for any")
    ] = 0.0
    timeout_seconds: Annotated[
        float, Meta(gt=0, description="seconds for one URL in all, redirects and retries included")
    ] = 30.0
    max_bytes: Annotated[
        int, Meta(ge=0, description="the most bytes of a body, after decoding")
    ] = 16 * 1024 * 1024
    max_redirects: Annotated[
        int, Meta(ge=0, le=100, description="the most redirects followed for one URL")
    ] = 5
    allow_downgrade: Annotated[bool, Meta(description="follow redirects from https to http")] = (
        False
    )
    retries: Annotated[
        int, Meta(ge=0, le=100, description="how often one URL is tried again, where it is safe")
    ] = 2
    robots: Annotated[bool, Meta(description="ask the robots.txt of each origin first")] = False
    cookies: Annotated[bool, Meta(description="keep cookies, and send them back")] = False
