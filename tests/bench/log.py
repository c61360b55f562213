"""Events rendered as JSON to a file, a line each: the log beside Twisted's, logging's, structlog's.

Every contender writes each line to the file before it takes the next event, and gives it the
time, the level and the same five fields. `structlog` is as its documentation shows it for
production; `structlog-msgspec` has the encoder that the toolkit has. `toolkit-logging` is the
toolkit's log given the same event by the standard library's `logging`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from tests.bench.contest import installed, on_the_last_core, rounds_of, show

CONTENDERS = (
    "twisted",
    "python-json-logger",
    "structlog",
    "structlog-msgspec",
    "toolkit",
    "toolkit-logging",
    "toolkit-text",
)
FIELDS = {
    "method": "GET",
    "path": "/shop/cart?item=17",
    "status": 200,
    "bytes": 5120,
    "seconds": 0.0123,
}
_BATCH = 100

Say = Callable[[], object]
"""Logs one event."""


def compare(seconds: float, rounds: int, contenders: Sequence[str] = CONTENDERS) -> None:
    """Measure all contenders and print a table.

    Args:
        seconds: How long each logs in a round.
        rounds: How many rounds.
        contenders: Which of them; the first is what the others are compared with.
    """

    def measure(how: str) -> float:
        command = [sys.executable, "-m", "tests.bench.log", how, str(seconds)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return float(done.stdout)

    with on_the_last_core():
        show(
            "log events as JSON to a file",
            "events/s",
            rounds_of(installed(contenders), rounds, measure),
        )


def _twisted(path: str) -> Say:
    from twisted.logger import Logger, jsonFileLogObserver

    log = Logger("shop", observer=jsonFileLogObserver(_line_by_line(path)))
    return lambda: log.info("{method} {path} {status}", **FIELDS)


def _python_json_logger(path: str) -> Say:
    import logging

    from pythonjsonlogger.json import JsonFormatter

    handler = logging.FileHandler(path)
    handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    log = logging.getLogger("shop")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    return lambda: log.info("%s %s %s", "GET", FIELDS["path"], 200, extra=FIELDS)


def _structlog(path: str) -> Say:
    import structlog

    return _structlog_by(
        structlog.processors.JSONRenderer(), structlog.WriteLoggerFactory(_line_by_line(path))
    )


def _structlog_msgspec(path: str) -> Say:
    import msgspec
    import structlog

    def encode(value: Any, **_: Any) -> bytes:
        return msgspec.json.encode(value)

    return _structlog_by(
        structlog.processors.JSONRenderer(serializer=encode),
        structlog.BytesLoggerFactory(open(path, "ab")),
    )


def _structlog_by(render: Any, factory: Any) -> Say:
    import structlog

    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.make_filtering_bound_logger(20),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            render,
        ],
        logger_factory=factory,
    )
    log = structlog.get_logger(namespace="shop")
    return lambda: log.info("request answered", **FIELDS)


def _toolkit(path: str, form: Any = "json") -> Say:
    from twisted.logger import Logger

    from toolkit.log import Log, LogSettings

    log = Logger("shop", observer=Log(LogSettings(format=form, file=path), sys.stdout))
    return lambda: log.info("{method} {path} {status}", **FIELDS)


def _toolkit_logging(path: str) -> Say:
    import logging

    from toolkit.log import Log, LogSettings

    Log(LogSettings(format="json", file=path), sys.stdout).bridge_logging()
    log = logging.getLogger("shop")
    return lambda: log.info("%s %s %s", "GET", FIELDS["path"], 200, extra=FIELDS)


def _line_by_line(path: str) -> TextIO:
    return open(path, "a", buffering=1, encoding="utf-8")


_SAYS: dict[str, Callable[[str], Say]] = {
    "twisted": _twisted,
    "python-json-logger": _python_json_logger,
    "structlog": _structlog,
    "structlog-msgspec": _structlog_msgspec,
    "toolkit": _toolkit,
    "toolkit-logging": _toolkit_logging,
    "toolkit-text": lambda path: _toolkit(path, "text"),
}


def events_a_second(say: Say, seconds: float) -> float:
    """How many events are logged in a second."""
    for _ in range(2 * _BATCH):
        say()
    count = 0
    began = now = time.monotonic()
    while now < began + seconds:
        for _ in range(_BATCH):
            say()
        count += _BATCH
        now = time.monotonic()
    return count / (now - began)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(events_a_second(_SAYS[sys.argv[1]](os.path.join(folder, "log")), float(sys.argv[2])))
