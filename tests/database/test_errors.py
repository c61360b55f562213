"""What a driver says becomes one line that holds no value of a parameter."""

from __future__ import annotations

from hypothesis import given, strategies as some

from toolkit.database.errors import told
from toolkit.secret import MASK


def test_values_are_masked_in_quotes_and_where_they_are_long() -> None:
    said = told('invalid input "ab" near secret-value; a 12', "", ["ab", "secret-value", 12, None])
    assert said == f'invalid input "{MASK}" near {MASK}; a 12'


def test_a_longer_value_is_masked_before_one_that_is_part_of_it() -> None:
    assert told("no secret-value here", "", ["secret", "secret-value"]) == f"no {MASK} here"


def test_a_number_that_python_does_not_write_is_no_hindrance() -> None:
    assert told("too large", "", [10**5000, "secret-value"]) == "too large"


def test_the_statement_is_on_the_line_and_not_endless() -> None:
    said = told("no\nsuch  table", "SELECT *\n  FROM t " + "x" * 1000)
    assert said.startswith("no; such  table, in: SELECT * FROM t xxx")
    assert said.endswith("…")
    assert len(said) < 600


@given(some.text(), some.text(min_size=4), some.text())
def test_a_long_value_never_stands_in_the_line(before: str, value: str, after: str) -> None:
    if value not in MASK and value not in before + MASK + after:
        assert value not in told(f"{before}{value}{after}", "", [value]).replace(MASK, "\n")
