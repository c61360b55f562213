"""Each way in which Twisted and OpenSSL fail has its code and its line."""

from __future__ import annotations

import errno

import pytest
from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from twisted.internet import error as network
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed, ResponseNeverReceived
from twisted.web.error import SchemeNotSupported

from toolkit.http.failures import FetchCancelled, FetchError, fetch_error, handshake_failure, shown

UNTRUSTED = SSL.Error([("SSL routines", "", "certificate verify failed")])
EOF = SSL.Error([("SSL routines", "", "unexpected eof while reading")])


def wrapped(*errors: Exception) -> ResponseFailed:
    return ResponseFailed([Failure(error) for error in errors])


CASES: list[tuple[Exception, str]] = [
    (network.DNSLookupError("no results"), "name-not-found"),
    (network.ConnectionRefusedError(), "connect-refused"),
    (network.TimeoutError(), "connect-timeout"),
    (network.TCPTimedOutError(), "connect-timeout"),
    (network.NoRouteError(), "connect-unreachable"),
    (network.ConnectError(OSError(errno.ENETUNREACH, "no network")), "connect-unreachable"),
    (network.ConnectBindError(errno.EMFILE, "Too many open files"), "connect-unreachable"),
    (SchemeNotSupported("x"), "unsupported-scheme"),
    (ValueError("invalid hostname: a_b"), "invalid-url"),
    (UNTRUSTED, "tls-untrusted"),
    (VerificationError(errors=[]), "tls-name-mismatch"),
    (CertificateError("no names"), "tls-name-mismatch"),
    (SSL.Error([("SSL routines", "", "wrong version number")]), "tls-failed"),
    (network.ConnectionDone(), "disconnected"),
    (wrapped(network.ConnectionLost()), "disconnected"),
    (ResponseNeverReceived([Failure(network.ConnectionLost())]), "disconnected"),
    (wrapped(EOF), "disconnected"),
    (wrapped(KeyError(b"rot13")), "malformed-response"),
    (wrapped(ValueError()), "malformed-response"),
    (wrapped(wrapped(CancelledError())), "cancelled"),
    (wrapped(FetchError("x", "head-too-large")), "head-too-large"),
]


@pytest.mark.parametrize(("error", "code"), CASES)
def test_each_has_its_code_and_one_line(error: Exception, code: str) -> None:
    found = fetch_error(error, "example.org:80")
    assert found.code == code
    assert str(found).isprintable()
    assert str(found)
    assert "<" not in str(found)


@pytest.mark.parametrize(
    "error", [network.ConnectionLost(), network.ConnectionDone(), network.ConnectionAborted(), EOF]
)
def test_a_connection_that_ends_inside_the_body_truncates_it(error: Exception) -> None:
    assert fetch_error(wrapped(error), "a:80", in_body=True).code == "truncated"


def test_an_end_during_the_handshake_is_tls_failed() -> None:
    for error in (network.ConnectionLost(), EOF, SSL.SysCallError(-1, "Unexpected EOF")):
        assert handshake_failure(error, "a:443").code == "tls-failed"
    assert handshake_failure(UNTRUSTED, "a:443").code == "tls-untrusted"


def test_too_many_open_files_says_what_to_do() -> None:
    error = network.ConnectError(OSError(errno.EMFILE, "Too many open files"))
    assert "lower the concurrency" in str(fetch_error(error, "a:80"))


def test_a_bug_is_not_made_an_answer() -> None:
    with pytest.raises(TypeError, match="a bug"):
        fetch_error(TypeError("a bug"), "a:80")


def test_a_cancelled_fetch_is_both_errors() -> None:
    error = FetchCancelled("x")
    assert isinstance(error, FetchError)
    assert isinstance(error, CancelledError)
    assert error.code == "cancelled"


def test_shown_text_is_printable_and_short() -> None:
    assert shown("a\x1b[2J\r\n\u202eb") == "a\\x1b[2J\\r\\n\\u202eb"
    assert shown("x" * 1000) == "x" * 100 + "…"
