"""Percentiles are true to 5 %, and the memory for them is bounded."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from apps.fetch.latency import HOSTS, OTHERS, Latencies, Latency, host_of


@given(st.lists(st.floats(1e-5, 1e4), min_size=1), st.sampled_from([0.0, 50.0, 90.0, 99.0, 100.0]))
def test_a_percentile_is_that_of_the_values_themselves(values: list[float], p: float) -> None:
    latency = Latency()
    for value in values:
        latency.add(value)
    exact = sorted(values)[max(0, math.ceil(len(values) * p / 100) - 1)]
    assert exact * 0.999 <= latency.percentile(p) <= exact * 1.06
    assert latency.most == max(values)


def test_no_time_at_all_is_a_value_too() -> None:
    latency = Latency()
    latency.add(0.0)
    assert latency.percentile(50) == 0.0
    assert Latency().percentile(50) == 0.0


def test_hosts_are_counted_apart_and_beyond_the_first_200_together() -> None:
    latencies = Latencies()
    for number in range(HOSTS + 50):
        latencies.add(f"http://{number}.example/", 1.0)
    latencies.add("http://7.example/x", 2.0)
    assert len(latencies) == HOSTS + 1
    assert [(host, one.count) for host, one in latencies.busiest(2)] == [
        (OTHERS, 50),
        ("7.example", 2),
    ]


@given(st.lists(st.sampled_from(["http://a", "http://a/", "http://ab", "http://a?/", "x//a/b"])))
def test_urls_that_begin_alike_are_not_mixed_up(urls: list[str]) -> None:
    latencies = Latencies()
    for url in urls:
        latencies.add(url, 1.0)
    assert {host: one.count for host, one in latencies.busiest(9)} == Counter(map(host_of, urls))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://A.example:8080/x", "a.example:8080"),
        ("http://user:secret@a.example?q", "a.example"),
        ("https://a.example", "a.example"),
        ("http://[::1]:80/", "[::1]:80"),
        ("nonsense", "?"),
        ("a/b/c", "?"),
        ("", "?"),
    ],
)
def test_the_host_of_a_url(url: str, host: str) -> None:
    assert host_of(url) == host
