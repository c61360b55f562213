"""Connect to servers, read each connection to its end, and print what they sent.

With one endpoint the bytes go to standard output as they come, unchanged, so that they can be
piped. With several, each one's bytes stand under a line "==> ENDPOINT <==", in the order given,
once all have ended. How each connection ended is told on standard error. Exit status: 0 when all
were closed cleanly, 1 when one was not, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, BinaryIO

from apps.arguments import Parser, seconds, size


def main() -> None:
    """Read the arguments, collect, print."""
    parser = Parser(
        prog="collect", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "endpoints",
        nargs="+",
        metavar="ENDPOINT",
        help="tcp:HOST:PORT, tcp:[IPV6]:PORT, tls:HOST:PORT or unix:PATH",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=30.0,
        metavar="SECONDS",
        help="for each connection, from connecting to its end (30)",
    )
    parser.add_argument(
        "--max-bytes",
        type=size,
        default=16 * 1024**2,
        metavar="SIZE",
        help="most bytes that each may send, with K, M or G (16M)",
    )
    parser.add_argument(
        "--send",
        metavar="FILE",
        help="send this first (- is standard input) and end one's own direction; one endpoint only",
    )
    options = parser.parse_args()
    if options.send is not None and len(options.endpoints) > 1:
        parser.error("--send goes with one endpoint, not with several")

    from toolkit.program import run

    run(lambda reactor: _collect(reactor, options), program=parser.prog)


async def _collect(reactor: Any, options: argparse.Namespace) -> int:
    from toolkit.collecting import collect_all
    from toolkit.connect import client_endpoint
    from toolkit.errors import ConnectFailed

    try:  # all of them, before the first is connected
        for endpoint in options.endpoints:
            client_endpoint(reactor, endpoint)
    except ConnectFailed as error:
        return _usage(str(error))
    if len(options.endpoints) == 1:
        return await _collect_one(reactor, options)
    broken = 0
    for result in await collect_all(reactor, options.endpoints, options.max_bytes, options.timeout):
        data = result.partial if result.data is None else result.data
        _put(b"==> " + os.fsencode(result.endpoint) + b" <==\n" + data)
        if data and not data.endswith(b"\n"):
            _put(b"\n")
        broken += result.error is not None
        _tell(result.endpoint, len(data), result.error)
    return 1 if broken else 0


async def _collect_one(reactor: Any, options: argparse.Namespace) -> int:
    from toolkit.collecting import collect_into
    from toolkit.errors import ToolkitError

    send: BinaryIO | None = None
    if options.send == "-":
        send = sys.stdin.buffer
    elif options.send is not None:
        try:
            send = open(options.send, "rb")  # noqa: SIM115 - closed below
        except OSError as error:
            return _usage(f"cannot read {options.send!r}: {error.strerror}")
    (endpoint,) = options.endpoints
    try:
        count = await collect_into(
            reactor, endpoint, _put, options.max_bytes, options.timeout, send
        )
    except ToolkitError as error:
        if error.code == "write-failed":
            raise
        _tell(endpoint, 0, error)
        return 1
    finally:
        if send is not None:
            send.close()
    _tell(endpoint, count, None)
    return 0


def _put(data: bytes) -> None:
    """Write to standard output, unbuffered: a line a second is seen when it comes."""
    from toolkit.errors import ToolkitError

    left = memoryview(data)
    try:
        while left:
            left = left[os.write(1, left) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        message = f"cannot write to standard output: {error.strerror}"
        raise ToolkitError(message, "write-failed") from error


def _tell(endpoint: str, count: int, error: Exception | None) -> None:
    if error is None:
        print(f"{endpoint}: {count} bytes, closed cleanly", file=sys.stderr)
    else:
        print(f"broken: {error}", file=sys.stderr)


def _usage(message: str) -> int:
    print(f"collect: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
