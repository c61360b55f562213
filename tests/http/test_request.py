"""A request goes out as it was meant, or not at all."""

from __future__ import annotations

import pytest
from twisted.web.http_headers import Headers
from twisted.web.iweb import IClientRequest
from zope.interface.verify import verifyObject

from tests.http.net import Net
from tests.http.wires import Wires
from toolkit.http.failures import FetchError
from toolkit.http.request import Prepared
from toolkit.testing import result_of


def test_headers_are_sent_as_they_are_but_for_what_frames_the_message() -> None:
    wires = Wires()
    framing = {b"Content-Length": [b"99"], b"Transfer-Encoding": [b"chunked"]}
    wires.ask(
        method=b"PUT",
        headers=Headers({**framing, b"X-One": [b"1", b"2"], b"Host": [b"elsewhere"]}),
        target=b"/path?query",
    )
    head = wires.opened[0].sent()
    assert head.startswith(b"PUT /path?query HTTP/1.1\r\n")
    assert head.endswith(b"\r\nContent-Length: 0\r\n\r\n")
    assert sorted(head.split(b"\r\n")[1:-3]) == [b"Host: elsewhere", b"X-One: 1", b"X-One: 2"]


@pytest.mark.parametrize(
    ("method", "target"),
    [(b"GE T", b"/"), (b"", b"/"), (b"GET\r\nX: y", b"/"), (b"GET", b"/a b"), (b"GET", b"/\xe4")],
)
def test_what_would_end_the_request_line_is_refused(method: bytes, target: bytes) -> None:
    with pytest.raises(FetchError) as caught:
        Wires().ask(method=method, target=target)
    assert caught.value.code == "invalid-url"
    assert str(caught.value).isprintable()


def test_a_header_with_a_nul_is_refused() -> None:
    with pytest.raises(FetchError, match="cannot be sent"):
        Wires().ask(headers=Headers({b"X": [b"a\0b"]}))


@pytest.mark.parametrize(
    ("uri", "field"),
    [
        (b"http://a.example/", b"a.example"), (b"http://a.example:80/", b"a.example"),
        (b"http://a.example:443/", b"a.example:443"), (b"https://a.example:443/", b"a.example"),
        (b"https://a.example:80/", b"a.example:80"), (b"http://[::1]/", b"[::1]"),
        (b"http://[::1]:8080/", b"[::1]:8080"), (b"http://A.Example/", b"a.example"),
    ],
)  # fmt: skip
def test_host_names_the_port_where_it_is_not_the_usual_one(uri: bytes, field: bytes) -> None:
    """RFC 9110 §7.2."""
    request = Net().agent.prepare(b"GET", uri)
    assert request.head == b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % field


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        (b"http://a.example", b"/"), (b"http://a.example?q", b"/?q"), (b"http://a.example#f", b"/"),
        (b"http://a.example/a?b#c", b"/a?b"), (b"http://a.example/%00", b"/%00"),
    ],
)  # fmt: skip
def test_a_fragment_is_not_sent_and_a_path_is_never_empty(uri: bytes, target: bytes) -> None:
    assert Net().agent.prepare(b"GET", uri).head.startswith(b"GET %b HTTP/1.1\r\n" % target)


@pytest.mark.parametrize(
    "uri",
    [
        b"", b"/", b"ftp://a/", b"http://", b"http:///x", b"http://u@a/", b"http://a:0/",
        b"http://a:65536/", b"http://a:x/", b"http://\xff/", b"HTTP://a/",
        b"http://a\r\nX: y/", b"http://a/\r\n", b"http://a/ ", b"http://a/\xff",
    ],
)  # fmt: skip
def test_what_is_no_url_is_refused_before_anything_is_opened(uri: bytes) -> None:
    net = Net()
    with pytest.raises(FetchError) as caught:
        result_of(net.agent.request(b"GET", uri))
    assert caught.value.code == "invalid-url"
    assert str(caught.value).isprintable()
    assert net.peers == []


def test_headers_that_are_prepared_are_the_same_and_a_copy_can_be_changed() -> None:
    prepared = Prepared({b"X-A": [b"1", b"2"], b"Accept": [b"*/*"]})
    plain = Headers({b"X-A": [b"1", b"2"], b"Accept": [b"*/*"]})
    heads = [Net().agent.prepare(b"GET", b"http://a/", one).head for one in (prepared, plain)]
    assert sorted(heads[0].split(b"\r\n")) == sorted(heads[1].split(b"\r\n"))
    copy = prepared.copy()
    copy.removeHeader(b"X-A")
    assert not copy.hasHeader(b"X-A")
    assert prepared.getRawHeaders(b"X-A") == [b"1", b"2"]
    assert b"X-a: 1\r\nX-a: 2\r\n".lower() in prepared.lines.lower()


def test_headers_that_would_end_a_line_are_refused_when_they_are_prepared() -> None:
    with pytest.raises(FetchError, match="cannot be sent"):
        Prepared({b"X": [b"a\0b"]})


def test_a_request_through_a_proxy_names_the_whole_url_and_the_proxys_user() -> None:
    net = Net(proxy="http://us:er@proxy.example:3128")
    own = Headers({b"X": [b"y"]})
    request = net.agent.prepare(b"GET", b"http://a.example:8080/x?y", own)
    line, *fields = request.head.split(b"\r\n")
    assert line == b"GET http://a.example:8080/x?y HTTP/1.1"
    assert b"Host: a.example:8080" in fields
    assert b"Proxy-Authorization: Basic dXM6ZXI=" in fields
    assert not own.hasHeader(b"proxy-authorization")
    assert request.absoluteURI == b"http://a.example:8080/x?y"
    assert b"Proxy" not in net.agent.prepare(b"GET", b"https://a.example/").head


def test_it_is_an_IClientRequest() -> None:
    assert verifyObject(IClientRequest, Net().agent.prepare(b"GET", b"http://a/"))
