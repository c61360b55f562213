"""What a fetch can fail with: one error, a stable code for each case, one line for people."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from twisted.internet import error as network
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure
from twisted.web.error import SchemeNotSupported
from twisted.web.http import PotentialDataLoss

from toolkit.errors import ToolkitError, printable
from toolkit.http.page import Trail


class FetchError(ToolkitError):
    """A URL could not be fetched; `code` says which way it went wrong.

    The codes are stable: invalid-url, unsupported-scheme, name-not-found, connect-refused,
    connect-unreachable, connect-timeout, tls-untrusted, tls-name-mismatch, tls-failed,
    first-byte-timeout, stalled, deadline, disconnected, truncated, malformed-response,
    head-too-large, body-too-large, decode-failed, too-many-redirects, bad-redirect,
    address-refused, robots-refused, checksum-mismatch, write-failed, queue-full, cancelled.

    Attributes:
        url: The URL as it was given to the Fetcher, "" where there was none.
        phase: In which phase it failed, one of the words of `Timings`; None before the first.
        trail: How far it came and how long that took, where a Fetcher had begun with it.
    """

    code = "fetch-failed"
    url = ""
    phase: str | None = None
    trail: Trail | None = None


class FetchCancelled(FetchError, CancelledError):
    """A fetch was cancelled before it was complete."""

    code = "cancelled"


def shown(text: str, length: int = 100) -> str:
    """Text from elsewhere as it may stand in a message: on one line, printable, not too long."""
    return printable(text if len(text) <= length else text[:length] + "…")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The errors inside Twisted's wrappers (`ResponseFailed` and its like), in their order."""
    reasons = getattr(error, "reasons", None)
    if not reasons:
        yield error
        return
    for reason in reasons:
        cause = reason.value if isinstance(reason, Failure) else reason
        if cause is not None:
            yield from _causes(cause)


def _tls_reason(error: SSL.Error) -> str:
    """The last of OpenSSL's own words: `certificate verify failed`."""
    queue = error.args[0] if error.args else None
    if isinstance(queue, list) and queue:
        return str(queue[-1][-1])
    return "; ".join(str(part) for part in error.args)


def _is_cut(error: BaseException) -> bool:
    """Whether this is how a connection that just ended looks, with TLS or without."""
    if isinstance(error, SSL.Error):
        return isinstance(error, SSL.SysCallError) or "unexpected eof" in _tls_reason(error).lower()
    return isinstance(
        error,
        network.ConnectionDone
        | network.ConnectionLost
        | network.ConnectionAborted
        | PotentialDataLoss,
    )


def _tls_failure(error: BaseException, place: str) -> FetchError:
    if isinstance(error, VerificationError | CertificateError):
        return FetchError(
            f"the certificate of {place} is for another name; check the host in the URL",
            "tls-name-mismatch",
        )
    reason = _tls_reason(error) if isinstance(error, SSL.Error) else str(error)
    if "certificate verify failed" in reason:
        return FetchError(
            f"the certificate of {place} is expired or from an issuer that is not trusted here; "
            "trust its issuer (cacert, or SSL_CERT_FILE) if you know it",
            "tls-untrusted",
        )
    return FetchError(
        f"no secure connection to {place}: {shown(reason)}; does it speak TLS there?", "tls-failed"
    )


def _connect_failure(error: network.ConnectError, place: str) -> FetchError:
    if isinstance(error, network.ConnectionRefusedError):
        return FetchError(
            f"{place} refused the connection; is the server running?", "connect-refused"
        )
    if isinstance(error, network.TimeoutError | network.TCPTimedOutError):
        return FetchError(
            f"{place} did not answer in time; is the address right?", "connect-timeout"
        )
    number = getattr(error.osError, "errno", error.osError)
    reason = os.strerror(number) if isinstance(number, int) else str(error.osError or error)
    if number in (errno.EMFILE, errno.ENFILE):
        reason = "too many files are open; lower the concurrency"
    return FetchError(f"{place} cannot be reached: {shown(reason)}", "connect-unreachable")


def handshake_failure(error: BaseException, place: str) -> FetchError:
    """The FetchError for a TLS connection that ended before its handshake was done.

    Args:
        error: What the connection ended with.
        place: The host and port, for the message.
    """
    if _is_cut(error):
        return FetchError(
            f"{place} ended the connection during the TLS handshake; does it speak TLS there?",
            "tls-failed",
        )
    return _tls_failure(error, place)


def fetch_error(error: BaseException, place: str, in_body: bool = False) -> FetchError:
    """The FetchError for whatever Twisted or OpenSSL raised during a fetch.

    Args:
        error: What was raised, wrapped or not.
        place: The host and port that was spoken to, for the message.
        in_body: Whether the response's head had come already.

    Returns:
        A FetchError; the caller chains the cause.

    Raises:
        BaseException: The error itself, where it tells of a bug and not of a fetch.
    """
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, FetchError):
            return cause
        if isinstance(cause, CancelledError | network.ConnectingCancelledError):
            return FetchCancelled(f"the fetch from {place} was cancelled")
    first = causes[0]
    if isinstance(first, network.DNSLookupError):
        return FetchError(
            f"no address was found for the host of {place}; check the name and the network",
            "name-not-found",
        )
    if isinstance(first, network.ConnectError):
        return _connect_failure(first, place)
    if isinstance(first, SchemeNotSupported):
        return FetchError("only http and https are fetched", "unsupported-scheme")
    if _is_cut(first):
        if in_body:
            return FetchError(f"{place} ended the connection inside the body", "truncated")
        return FetchError(
            f"{place} ended the connection before the head of its answer was complete",
            "disconnected",
        )
    if isinstance(first, SSL.Error | VerificationError | CertificateError):
        return _tls_failure(first, place)
    if error is first and isinstance(first, ValueError):
        return FetchError(f"{place} cannot be asked for: {shown(str(first))}", "invalid-url")
    if error is first:
        raise error
    # What is left is what the parser met: each kind of bad answer raises its own.
    return FetchError(
        f"the answer of {place} is not HTTP as it should be: {shown(_said(first))}",
        "malformed-response",
    )


def _said(error: BaseException) -> str:
    # twisted.web's parser raises KeyError for an unknown Transfer-Encoding, and ParseError with
    # the reason and the line as two arguments.
    if isinstance(error, KeyError):
        return f"the transfer coding {error}"
    return ", ".join(str(part) for part in error.args) or type(error).__name__
