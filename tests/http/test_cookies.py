"""A cookie goes back to whom it is from and to nobody else, and there are never too many."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, strategies as st

from toolkit.http.cookies import MAX_COOKIES, MAX_HEADER_BYTES, MAX_OF_DOMAIN, MAX_OF_HOST, Cookies
from toolkit.http.urls import parse_url


class Jar:
    """Cookies, at a time that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0
        self.cookies = Cookies(lambda: self.now)

    def take(self, url: str, *lines: bytes) -> None:
        self.cookies.take(parse_url(url), [(b"Set-Cookie", line) for line in lines])

    def sent(self, url: str) -> bytes | None:
        return self.cookies.header_for(parse_url(url))


def kept(url: str, line: bytes) -> bool:
    jar = Jar()
    jar.take(url, line)
    return len(jar.cookies) == 1


def test_a_cookie_comes_back_whatever_the_case_of_its_header() -> None:
    jar = Jar()
    target = parse_url("http://example.org/")
    jar.cookies.take(target, [(b"set-cookie", b"a=1"), (b"SET-COOKIE", b"b=2"), (b"X", b"c=3")])
    assert jar.sent("http://example.org/x") == b"a=1; b=2"


def test_where_there_are_none_the_clock_is_not_even_asked() -> None:
    def clock() -> float:
        raise AssertionError("asked for the time")

    assert Cookies(clock).header_for(parse_url("http://example.org/")) is None


def test_one_of_the_same_name_and_path_takes_the_place_of_the_first() -> None:
    jar = Jar()
    jar.take("http://example.org/", b"a=1", b"b=2", b"a=3")
    assert jar.sent("http://example.org/") == b"a=3; b=2"
    assert len(jar.cookies) == 2


@pytest.mark.parametrize(
    ("line", "also_sent_to"),
    [
        (b"a=1", []),
        (b"a=1; Domain=b.example.org", ["x.b.example.org"]),
        (b"a=1; Domain=.example.org", ["x.b.example.org", "example.org", "xb.example.org"]),
    ],
)
def test_a_cookie_is_for_its_host_alone_unless_it_names_a_domain(
    line: bytes, also_sent_to: list[str]
) -> None:
    jar = Jar()
    jar.take("http://b.example.org/", line)
    assert jar.sent("http://b.example.org:8080/") == b"a=1"
    others = ["x.b.example.org", "example.org", "xb.example.org", "b.example.com", "xexample.org"]
    assert [host for host in others if jar.sent(f"http://{host}/")] == also_sent_to


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("http://a.example.org/", "b.example.org"),
        ("http://a.example.org/", "x.a.example.org"),
        ("http://a.example.org/", "ample.org"),
        ("http://a.example.org/", "org"),
        ("http://a.example.org./", "org."),
        ("http://a.example.org/", "a.example.org."),
        ("http://a.co.uk/", "co.uk"),
        ("http://a.com.br/", "com.br"),
        ("http://127.0.0.1/", "0.0.1"),
        ("http://127.0.0.1/", "1"),
        ("http://[::1]/", ":1"),
        ("http://a.example.org/", "EXAMPLE\u00e9.org"),
    ],
)
def test_a_cookie_for_somebody_else_is_refused(url: str, domain: str) -> None:
    assert not kept(url, b"a=1; domain=" + domain.encode())


@pytest.mark.parametrize(
    ("host", "below"),
    [("127.0.0.1", "x.example"), ("[::1]", "x.example"), ("localhost", "a.localhost")],
)
def test_a_host_that_is_no_domain_may_name_itself(host: str, below: str) -> None:
    jar = Jar()
    jar.take(f"http://{host}/", b"a=1; domain=" + host.strip("[]").encode())
    assert jar.sent(f"http://{host}/") == b"a=1"
    assert jar.sent(f"http://{below}/") is None


@pytest.mark.parametrize(
    ("url", "line", "sent_to"),
    [
        ("http://a/x/y?q=/z/", b"a=1", "/x /x/ /x/y /x?q"),
        ("http://a/x/", b"a=1", "/x /x/ /x/y /x?q"),
        ("http://a/x/y", b"a=1; path=relative", "/x /x/ /x/y /x?q"),
        ("http://a/z", b"a=1; path=/x/", "/x/ /x/y"),
        ("http://a/x", b"a=1", "/ /x /x/ /x/y /x?q /xy /z?/x/"),
        ("http://a?/x/y", b"a=1", "/ /x /x/ /x/y /x?q /xy /z?/x/"),
        ("http://a/x/y", b"a=1; path=/", "/ /x /x/ /x/y /x?q /xy /z?/x/"),
    ],
)
def test_a_cookie_is_for_its_path_and_what_lies_below(url: str, line: bytes, sent_to: str) -> None:
    jar = Jar()
    jar.take(url, line)
    asked = ["/", "/x", "/x/", "/x/y", "/x?q", "/xy", "/z?/x/"]
    assert [path for path in asked if jar.sent(f"http://a{path}")] == sent_to.split()


def test_the_longest_path_comes_first_then_the_oldest() -> None:
    jar = Jar()
    jar.take("http://a.example/", b"a=1", b"b=2; path=/x", b"c=3; domain=a.example", b"a=4;path=/x")
    assert jar.sent("http://a.example/x") == b"b=2; a=4; a=1; c=3"


def test_a_secure_cookie_is_for_https_only_and_from_it() -> None:
    jar = Jar()
    jar.take("https://a.example/", b"a=1; secure")
    assert jar.sent("https://a.example/") == b"a=1"
    assert jar.sent("http://a.example/") is None
    assert not kept("http://a.example/", b"a=1; secure")


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://a.example.org/x/", b"a=2"),
        ("http://a.example.org/x/", b"a=2; domain=example.org"),
        ("http://a.example.org/", b"a=2; path=/x/y"),
        ("http://b.example.org/x/", b"a=2; domain=example.org"),
    ],
)
def test_http_cannot_put_another_in_the_place_of_a_secure_one(url: str, line: bytes) -> None:
    jar = Jar()
    jar.take("https://a.example.org/", b"a=1; secure; path=/x")
    jar.take(url, line)
    assert jar.sent("https://a.example.org/x/y") == b"a=1"
    assert len(jar.cookies) == 1


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://a.example.org/", b"a=2"),
        ("http://a.example.org/x/", b"b=2"),
        ("http://b.example.org/x/", b"a=2"),
        ("http://example.org/x/", b"a=2"),
        ("https://a.example.org/y/", b"a=2; domain=example.org"),
    ],
)
def test_what_is_not_in_its_place_is_kept(url: str, line: bytes) -> None:
    jar = Jar()
    jar.take("https://a.example.org/", b"a=1; secure; path=/x")
    jar.take(url, line)
    assert len(jar.cookies) == 2


@pytest.mark.parametrize(
    ("line", "keeps"),
    [
        (b"__Secure-a=1; secure", True),
        (b"__Secure-a=1", False),
        (b"__Host-a=1; secure; path=/", True),
        (b"__host-a=1; secure", False),
        (b"__Host-a=1; secure; path=/x", False),
        (b"__Host-a=1; path=/", False),
        (b"__HOST-a=1; secure; path=/; domain=a.example", False),
    ],
)
def test_a_name_that_promises_something_must_keep_it(line: bytes, keeps: bool) -> None:
    assert kept("https://a.example/x", line) is keeps


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (b"a=1; max-age=10", 10),
        (b"a=1; max-age=10; expires=Thu, 01 Jan 1970 00:00:00 GMT", 10),
        (b"a=1; expires=Sun, 09 Sep 2001 01:46:50 GMT", 10),
        (b"a=1; max-age=" + b"9" * 1000, 400 * 86_400),
        (b"a=1; expires=Fri, 31 Dec 9999 00:00:00 GMT", 400 * 86_400),
    ],
)
def test_a_cookie_ends_by_the_clock_that_was_given(line: bytes, seconds: float) -> None:
    jar = Jar()
    jar.take("http://a/", line)
    jar.now += seconds - 1
    assert jar.sent("http://a/") == b"a=1"
    jar.now += 1
    assert jar.sent("http://a/") is None
    assert len(jar.cookies) == 0


@pytest.mark.parametrize(
    "end", [b"max-age=0", b"max-age=-" + b"9" * 999, b"expires=1 Jan 99 0:0:0"]
)
def test_one_that_has_ended_takes_the_old_one_away(end: bytes) -> None:
    jar = Jar()
    jar.take("http://a/", b"a=1", b"b=2", b"a=; " + end, b"c=3; " + end)
    assert jar.sent("http://a/") == b"b=2"
    assert len(jar.cookies) == 1


def test_one_without_an_end_is_kept_for_the_run() -> None:
    jar = Jar()
    jar.take("http://a/", b"a=1")
    jar.now += 1e9
    assert jar.sent("http://a/") == b"a=1"


def numbered(many: int, rest: bytes = b"") -> Iterable[bytes]:
    return (b"c%d=x%s" % (number, rest) for number in range(many))


@pytest.mark.parametrize(
    ("rest", "most"), [(b"", MAX_OF_HOST), (b"; domain=a.example", MAX_OF_DOMAIN)]
)
def test_a_host_has_so_many_and_the_oldest_gives_way(rest: bytes, most: int) -> None:
    jar = Jar()
    jar.take("http://a.example/", *numbered(most + 1, rest))
    sent = jar.sent("http://a.example/")
    assert sent is not None
    assert sent.split(b"; ") == [b"c%d=x" % number for number in range(1, most + 1)]


def test_those_that_have_ended_give_way_first() -> None:
    jar = Jar()
    jar.take("http://a/", b"first=1", b"second=2; max-age=1")
    jar.now += 1
    jar.take("http://a/", *numbered(MAX_OF_HOST - 1))
    assert (jar.sent("http://a/") or b"").startswith(b"first=1; c0=x")


def test_in_all_the_host_not_asked_for_longest_gives_way() -> None:
    jar = Jar()
    hosts = [f"http://h{number}.example/" for number in range(MAX_COOKIES // MAX_OF_HOST)]
    for host in hosts:
        jar.take(host, *numbered(MAX_OF_HOST))
    assert jar.sent(hosts[0]) is not None
    jar.take("http://another.example/", *numbered(MAX_OF_HOST))
    assert len(jar.cookies) == MAX_COOKIES
    assert jar.sent(hosts[1]) is None
    assert jar.sent(hosts[0]) is not None


def test_a_header_is_no_longer_than_servers_take() -> None:
    jar = Jar()
    jar.take("http://a/x", *(b"c%d=%s" % (n, b"x" * 4000) for n in range(5)), b"last=1")
    sent = jar.sent("http://a/x")
    assert sent is not None
    assert len(sent) <= MAX_HEADER_BYTES
    assert [pair[:3] for pair in sent.split(b"; ")] == [b"c0=", b"c1=", b"las"]


HOSTS = st.sampled_from(["a.example", "b.a.example", "example", "127.0.0.1", "[::1]", "c.co.uk"])
LINES = st.lists(
    st.sampled_from(
        [b"a=1", b"b=", b";", b" secure", b"domain=", b"a.example", b"path=", b"/", b"max-age=",
         b"9", b"-", b"expires=", b"1 Jan 2002 00:00:00", b"__Host-", b"\xff", b"\x00"]
    )
).map(b"".join)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(["http", "https"]), HOSTS, LINES | st.binary())))
def test_whatever_servers_send_the_count_is_right_and_nothing_is_raised(
    answers: list[tuple[str, str, bytes]],
) -> None:
    jar = Jar()
    for scheme, host, line in answers:
        jar.take(f"{scheme}://{host}/x/y", line)
        sent = jar.sent(f"{scheme}://{host}/x/y")
        assert sent is None or len(sent.split(b"; ")) <= len(jar.cookies)
        assert (sent is None) <= (jar.sent(f"http://{host}/x/y") is None)
