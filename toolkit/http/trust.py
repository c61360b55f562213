"""Whose certificates are trusted: the platform's issuers, those of a file, or anyone's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.web.client import BrowserLikePolicyForHTTPS, HostnameCachingHTTPSPolicy
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from toolkit.errors import SettingsError

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def policy_for(cacert: str, insecure: bool) -> Any:
    """What makes the TLS connections.

    Args:
        cacert: A PEM file of the issuers to trust, or "" for the platform's.
        insecure: Whether nothing is verified.

    Returns:
        An IPolicyForHTTPS.

    Raises:
        SettingsError: Where `cacert` cannot be read.
    """
    if insecure:
        return _Insecure()
    # One context for each host: reading the trusted certificates takes tens of milliseconds.
    return HostnameCachingHTTPSPolicy(BrowserLikePolicyForHTTPS(_roots(cacert)), cacheSize=100)


def _roots(cacert: str) -> Any:
    if not cacert:
        return platformTrust()
    try:
        found = _CERTIFICATE.findall(Path(cacert).read_bytes())
        if not found:
            raise ValueError("there is no certificate in it")
        return trustRootFromCertificates([Certificate.loadPEM(one) for one in found])
    except Exception as error:  # OSError, ValueError, and what OpenSSL raises
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(
            [f"cacert: expected a PEM file of certificates, found {cacert!r} ({reason})"]
        ) from error


@implementer(IPolicyForHTTPS)
class _Insecure:
    """Takes any certificate."""

    def __init__(self) -> None:
        self._options = CertificateOptions(verify=False)

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:
        creator: Any = _InsecureCreator(self._options.getContext(), hostname)
        made: IOpenSSLClientConnectionCreator = creator
        return made


@implementer(IOpenSSLClientConnectionCreator)
class _InsecureCreator:
    def __init__(self, context: SSL.Context, hostname: bytes) -> None:
        self._context = context
        self._hostname = hostname

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        if not re.fullmatch(
            rb"[0-9.]+|.*:.*", self._hostname
        ):  # an address is no name (RFC 6066 §3)
            connection.set_tlsext_host_name(self._hostname)
        return connection
