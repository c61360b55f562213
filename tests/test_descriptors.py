"""The limit on open files is raised, and one that is too low is told."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from toolkit.descriptors import RESERVE, raise_limit, shortage


@pytest.mark.parametrize(("soft", "hard"), [(32, 64), (64, 64)])
def test_the_soft_limit_becomes_the_hard_one(soft: int, hard: int) -> None:
    code = (
        "import resource as r; from toolkit.descriptors import raise_limit\n"
        f"r.setrlimit(r.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "print(raise_limit(), *r.getrlimit(r.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout.split() == [str(hard)] * 3, done.stderr


class Refusing:
    """A system that has these limits, and lets nobody change them."""

    def __init__(self, soft: int, hard: int, error: type[Exception]) -> None:
        self.limits = soft, hard
        self.error = error

    def getrlimit(self, _: int) -> tuple[int, int]:
        return self.limits

    def setrlimit(self, *_: object) -> None:
        raise self.error


@pytest.mark.parametrize("error", [OSError, ValueError])
def test_a_limit_that_cannot_be_raised_stays(error: type[Exception]) -> None:
    assert raise_limit(Refusing(1024, resource.RLIM_INFINITY, error)) == 1024


def test_unlimited_is_enough() -> None:
    unlimited = resource.RLIM_INFINITY
    limit = raise_limit(Refusing(unlimited, unlimited, OSError))
    assert shortage(limit, {"echo": 10**9}) == ""


def test_a_limit_too_low_for_all_connections_together_is_told() -> None:
    connections = {"echo": 1000, "chat": 500}
    assert shortage(1500 + RESERVE, connections) == ""
    told = shortage(1499 + RESERVE, connections)
    assert told.startswith(f"{1499 + RESERVE} files may be open, too few for the connections that")
    assert "echo, chat" in told
    assert f"to {1500 + RESERVE}" in told


def test_without_connections_any_limit_does() -> None:
    assert shortage(10, {}) == ""
