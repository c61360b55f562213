"""Values are JSON, and a row is an object wherever it stands."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from toolkit.database.rows import row_class
from toolkit.web.encoding import encoded

ROW = row_class(["id", "name"])
ANN, BEN = ROW((1, "ann")), ROW((2, "ben"))


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (ANN, {"id": 1, "name": "ann"}),
        ([ANN, BEN], [{"id": 1, "name": "ann"}, {"id": 2, "name": "ben"}]),
        ([0, ANN], [0, {"id": 1, "name": "ann"}]),
        ({"a": 1, "b": [{"c": [ANN]}]}, {"a": 1, "b": [{"c": [{"id": 1, "name": "ann"}]}]}),
        (row_class(["a", "a"])((1, 2)), {"a": 2}),
        ([row_class(["a", "a"])((1, 2))], [{"a": 2}]),
        ([], []),
        ((1, 2), [1, 2]),
    ],
)
def test_a_row_is_an_object_wherever_it_stands(value: Any, json: Any) -> None:
    assert msgspec.json.decode(encoded(value)) == json


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@given(VALUES)
def test_what_has_no_rows_is_as_msgspec_has_it(value: Any) -> None:
    assert encoded(value) == msgspec.json.encode(value)


def test_what_is_deep_is_encoded_as_far_as_msgspec_goes() -> None:
    value: list[Any] = []
    for _ in range(600):
        value = [value]
    assert encoded(value) == b"[" * 601 + b"]" * 601
    value.append(value)
    with pytest.raises(RecursionError):
        encoded(value)
