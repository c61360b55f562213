"""Each mistake has its class; what a driver says becomes one line without the values."""

from __future__ import annotations

from typing import Any

import pytest_twisted
from hypothesis import given, strategies as some
from twisted.internet.defer import Deferred

from tests.database.calling import failure, with_people
from tests.database.databases import Open
from toolkit.database import errors
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


@pytest_twisted.ensureDeferred
async def test_each_mistake_has_its_class(opens: Open) -> None:
    database = await with_people(await opens())
    await database.execute("CREATE TABLE pets (owner INTEGER NOT NULL REFERENCES people (id))")
    cases: list[tuple[Deferred[Any], type[errors.DatabaseError]]] = [
        (database.execute("INSERT INTO people VALUES (1, 'x', 1)"), errors.UniqueViolation),
        (database.execute("INSERT INTO people VALUES (9, 'ann', 1)"), errors.UniqueViolation),
        (database.execute("INSERT INTO pets VALUES (5)"), errors.ForeignKeyViolation),
        (database.execute("INSERT INTO pets VALUES (NULL)"), errors.ConstraintViolation),
        (database.execute("INSERT INTO people VALUES (9, 'z', 0)"), errors.ConstraintViolation),
        (database.query("SELECT * FROM no_such_table"), errors.StatementError),
        (database.query("SELEC 1"), errors.StatementError),
        (database.query("SELECT {a}", a=object()), errors.StatementError),
        (database.execute("BEGIN"), errors.StatementError),
    ]
    for call, kind in cases:
        error = await failure(call)
        assert type(error) is kind
    assert (await database.one("SELECT count(*) FROM people"))[0] == 2


@pytest_twisted.ensureDeferred
async def test_an_error_shows_the_statement_and_no_value(opens: Open) -> None:
    database = await with_people(await opens())
    secret = "hunter2-of-the-tests"
    calls: list[Deferred[Any]] = [
        database.query("SELECT * FROM people WHERE nme = {value}", value=secret),
        database.query("SELECT * FROM people WHERE id + abs({value}) = 'x' || zzz", value=secret),
        database.execute("INSERT INTO people (id, name) VALUES (1, {value})", value=secret),
        database.execute("INSERT INTO people (id, name) VALUES ({value}, 'q')", value=secret),
    ]
    for call in calls:
        error = await failure(call)
        assert isinstance(error, errors.DatabaseError)
        assert "{value}" in str(error)
        assert "{value}" in error.sql
        assert secret not in str(error)
        assert "\n" not in str(error)
        assert error.native
        assert error.__cause__ is None
        assert error.__suppress_context__
