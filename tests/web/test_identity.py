"""A request id is the peer's, or one that is made; it never carries what a log would obey."""

from __future__ import annotations

import re

from hypothesis import given, strategies as st

from toolkit.web.identity import request_id


def test_a_well_formed_id_is_kept() -> None:
    assert request_id([b"018f-4c2a:9/x+y=~."]) == "018f-4c2a:9/x+y=~."


def test_two_ids_are_none() -> None:
    assert re.fullmatch("[0-9a-f]{16}", request_id([b"a", b"b"]))


@given(st.binary(max_size=200))
def test_whatever_is_given_an_id_is_safe(value: bytes) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._:/+=~-]{1,128}", request_id([value]))


def test_ids_that_are_made_differ() -> None:
    assert len({request_id(None) for _ in range(100)}) == 100
