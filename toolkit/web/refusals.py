"""What is refused before it reaches a resource: a status, a code and a sentence for each."""

from __future__ import annotations

from toolkit.web.errors import Refusal

MALFORMED = Refusal(400, "malformed-request", "the request is not HTTP/1.1 as RFC 9112 has it")
NO_PROXY = Refusal(501, "no-proxy", "this server is no proxy: there is no CONNECT here")
NO_HOST = Refusal(400, "invalid-host", "the request must name one host in one valid Host header")
TOO_SLOW = Refusal(408, "request-timeout", "the request did not come in time")
BODY_TOO_LARGE = Refusal(413, "body-too-large", "the body is larger than this server reads")
URI_TOO_LONG = Refusal(414, "uri-too-long", "the first line is longer than this server reads")
HEAD_TOO_LARGE = Refusal(431, "head-too-large", "the headers are more than this server reads")
UNKNOWN_CODING = Refusal(
    501, "unknown-transfer-coding", "the only Transfer-Encoding that is read here is chunked"
)
OTHER_VERSION = Refusal(505, "other-http-version", "this server speaks HTTP/1.1 and HTTP/1.0")


def malformed(how: str) -> Refusal:
    """MALFORMED, where it is known which rule was broken.

    Args:
        how: What was wrong, and what would be right.
    """
    return MALFORMED._replace(sentence=how)
