"""Prompt streams show a program what Twisted's own show it: only the time differs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given, settings, strategies as some
from twisted.internet.epollreactor import EPollReactor

from tests.streams import HOOKS, LINKS, WAYS, Record, Script, own, play

SIZES = some.sampled_from([0, 1, 10, 1_000, 6_000, 20_000, 70_000, 140_000, 300_000])
WRONG = some.sampled_from(
    [
        "text", "array", "view", "none", "text among bytes", "text in a tuple", "generator",
        "text in a generator", "a sequence that is none",
    ]
)  # fmt: skip


def acts(name: str, arguments: Any = some.none()) -> Any:  # noqa: B008 - a strategy
    return some.tuples(some.just(name), arguments)


PRODUCER = some.tuples(SIZES, some.integers(1, 4), some.booleans())
OWN = some.one_of(
    acts("write", SIZES),
    acts("writes", some.lists(SIZES, max_size=3)),
    acts("writes_wrong", WRONG),
    acts("loses"),
    acts("loses_write"),
    acts("aborts"),
    acts("pauses"),
    acts("pushes", PRODUCER),
    acts("pulled", PRODUCER),
    acts("unregisters"),
    acts("tells_addresses"),
    acts("logs"),
)
RESUMES = acts("resumes")
FAR = some.one_of(
    acts("reads", some.sampled_from([1, 1_000, 7_000, 60_000, 1 << 30])),
    acts("drains", some.booleans()),
    acts("sends", some.sampled_from([1, 100, 3_000])),
    acts("half_closes"),
    acts("closes"),
    acts("resets"),
)
# What has come from the far end and was not read yet, and what is written meanwhile: which is
# first is a matter of time. So all is settled between an act here and an act there.
PLACES = some.sampled_from(["outside", "timer"])
STEP = some.one_of(
    some.tuples(PLACES, some.lists(OWN, min_size=1, max_size=5)),
    some.tuples(PLACES, RESUMES.map(lambda act: [act])),
    some.tuples(some.just("outside"), FAR.map(lambda act: [act])),
)
HOOK = some.lists(some.lists(some.one_of(OWN, RESUMES, acts("raises")), max_size=4), max_size=3)
SCRIPTS = some.builds(
    Script,
    some.sampled_from(LINKS),
    some.booleans(),
    some.lists(STEP, max_size=6),
    some.dictionaries(some.sampled_from(HOOKS), HOOK, max_size=4),
)


@pytest.fixture
def streams() -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        made = {"stock": EPollReactor, **WAYS}
        yield {name: stack.enter_context(own(make())) for name, make in made.items()}


@pytest.mark.usefixtures("logged")  # what is raised is logged
@pytest.mark.parametrize("way", WAYS)
def test_a_program_sees_what_it_sees_over_twisteds_own(way: str, streams: dict[str, Any]) -> None:
    @settings(max_examples=100, deadline=None)
    @given(SCRIPTS)
    def check(script: Script) -> None:
        expected, stock = play(script, streams["stock"])
        seen, actor = play(script, streams[way])
        assert shortened(seen) == shortened(expected)
        assert actor.far.received == stock.far.received
        assert seen == expected

    check()


def shortened(record: Record) -> Record:
    """With sizes where there are bytes, so that it can be read."""
    return [
        tuple(len(what) if isinstance(what, bytes) else what for what in entry) for entry in record
    ]
