"""robots.txt and cookies, as a Fetcher asks for them and heeds them."""

from __future__ import annotations

import pytest

from tests.http.net import Net, error_of, head, moved, page_of, whole
from toolkit.http.failures import FetchCancelled
from toolkit.testing import is_waiting

NO_X = whole(b"User-agent: *\nDisallow: /x")


def test_robots_txt_is_asked_once_for_an_origin_and_heeded() -> None:
    net = Net(robots=True, per_host=2)
    fetches = [net.get(f"http://a.example/{path}") for path in ("x", "y", "x/z")]
    assert net.asked() == "/robots.txt"
    assert len(net.peers) == 1
    net.answer(NO_X)
    for refused in (fetches[0], fetches[2]):
        error = error_of(refused)
        assert (error.code, error.phase) == ("robots-refused", "queue")
        assert error.url.startswith("http://a.example/x")
    assert net.asked() == "/y"
    net.answer(whole(b"y"))
    assert page_of(fetches[1]).body == b"y"
    assert error_of(net.get("http://a.example/x?q")).code == "robots-refused"
    net.end()


def test_where_a_redirect_leads_is_judged_too() -> None:
    net = Net(robots=True)
    fetched = net.get("http://a.example/")
    net.answer(head("404 None", "Content-Length: 0"))
    net.answer(moved("http://b.example/x"))
    assert net.asked() == "/robots.txt"
    net.answer(NO_X)
    error = error_of(fetched)
    assert error.code == "robots-refused"
    assert error.trail is not None
    assert error.trail.redirects == ("http://a.example/",)
    net.end()


def test_one_at_once_locks_nothing() -> None:
    net = Net(robots=True, concurrency=1, per_host=1)
    fetches = [net.get(f"http://{host}.example/") for host in "aabb"]
    for _ in range(6):
        net.answer(NO_X if net.asked() == "/robots.txt" else whole(b"page"))
    assert [page_of(one).body for one in fetches] == [b"page"] * 4
    net.end()


def test_a_redirect_of_one_at_once_locks_nothing() -> None:
    net = Net(robots=True, concurrency=1, per_host=1)
    fetched, other = net.get("http://a.example/"), net.get("http://c.example/")
    seen = []
    for _ in range(6):
        path = net.asked()
        seen.append(path)
        if path == "/robots.txt":
            net.answer(NO_X)
        elif b"a.example" in net.asked_peer.received:
            net.answer(moved("http://b.example/"))
        else:
            net.answer(whole(b"end"))
    assert page_of(fetched).final_url == "http://b.example/"
    assert page_of(other).body == b"end"
    assert seen.count("/robots.txt") == 3
    net.end()


def test_a_robots_txt_that_cannot_be_had_forbids_and_is_not_tried_for_ever() -> None:
    net = Net(robots=True)
    fetched = net.get()
    tries = 0
    while is_waiting(fetched):
        tries += 1
        net.answer(whole(b"", "503 Busy"))
        net.clock.advance(2)
    assert tries == 3
    assert error_of(fetched).code == "robots-refused"
    assert error_of(net.get()).code == "robots-refused"  # it is known for five minutes
    net.end()


def test_a_robots_txt_itself_may_be_fetched() -> None:
    net = Net(robots=True)
    fetched = net.get("http://a.example/robots.txt")
    net.answer(NO_X)
    assert page_of(fetched).body.startswith(b"User-agent")
    net.end()


def test_a_robots_txt_that_stalls_costs_its_waiters_half_a_minute() -> None:
    net = Net(robots=True, retries=0)
    fetched, other = net.get(), net.get("http://b.example/")
    net.clock.advance(29.9)
    assert is_waiting(fetched)
    net.clock.advance(0.2)
    assert error_of(fetched).code == error_of(other).code == "robots-refused"
    assert not net.open
    net.end()


def test_cancelling_one_that_waits_for_robots_leaves_the_others_waiting() -> None:
    net = Net(robots=True)
    first, second = net.get(), net.get("http://a.example/y")
    first.cancel()
    assert isinstance(error_of(first), FetchCancelled)
    net.answer(NO_X)
    net.answer(whole())
    assert page_of(second).status == 200
    net.end()


@pytest.mark.parametrize("how", ["cancelled", "closed"])
def test_giving_up_while_robots_is_asked_ends_that_too(how: str) -> None:
    net = Net(robots=True)
    fetches = [net.get(f"http://a.example/{number}") for number in range(3)]
    if how == "cancelled":
        for fetched in fetches:
            fetched.cancel()
        assert not net.open
    net.end()
    for fetched in fetches:
        assert isinstance(error_of(fetched), FetchCancelled)


def test_closing_while_many_robots_wait_for_a_turn_is_told_as_such_to_each() -> None:
    net = Net(robots=True, concurrency=1)
    fetches = [net.get(f"http://{number}.example/") for number in range(30)]
    net.end()
    for fetched in fetches:
        assert isinstance(error_of(fetched), FetchCancelled)


def test_cookies_go_back_to_whom_they_are_from() -> None:
    net = Net(cookies=True)
    first = net.get("http://a.example/")
    redirect = head("302 F", "Location: /in", "Set-Cookie: id=7; Path=/", "Content-Length: 0")
    net.answer(redirect)
    assert b"\r\nCookie: id=7\r\n" in net.peers[0].received
    net.answer(moved("http://b.example/"))
    assert b"Cookie" not in net.peers[1].received
    net.answer(whole())
    assert page_of(first).status == 200
    second = net.get("http://a.example/")
    assert b"\r\nCookie: id=7\r\n" in net.peers[0].received
    net.answer(whole())
    assert page_of(second).status == 200
    net.end()


def test_without_being_asked_no_cookie_is_kept() -> None:
    net = Net()
    for _ in range(2):
        fetched = net.get()
        assert b"ookie" not in net.peers[0].received
        net.answer(whole(b"", "200 OK", "Set-Cookie: id=7"))
        assert page_of(fetched).status == 200
    net.end()
