"""Placeholders become the driver's own, braces braces, and nothing else changes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from toolkit.database.errors import ParameterError, StatementError
from toolkit.database.sql import Statements, compiled, statements_of

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)
PLAIN = st.text(alphabet="abc *=,()\n\x01é", max_size=10).map(lambda text: f" {text} ")


@pytest.mark.parametrize("sign", ["?", "$"])
def test_a_placeholder_is_numbered_and_one_that_comes_again_has_its_number(sign: str) -> None:
    statement = compiled("SELECT {a}, {b}, {a}", sign)
    assert statement.text == f"SELECT {sign}1, {sign}2, {sign}1"
    assert statement.values({"b": 2, "a": 1}) == (1, 2)


@given(st.lists(st.tuples(PLAIN, NAMES), max_size=6))
def test_any_sequence_of_text_and_names_is_numbered(parts: list[tuple[str, str]]) -> None:
    statement = compiled("x" + "".join(f"{text}{{{name}}}" for text, name in parts), "$")
    names = list(dict.fromkeys(name for _, name in parts))
    assert list(statement.names) == names
    expected = "".join(f"{text}${names.index(name) + 1}" for text, name in parts)
    assert statement.text == f"x{expected}"


@given(st.text(max_size=60))
def test_braces_written_twice_stand_for_themselves_whatever_is_around_them(text: str) -> None:
    try:
        statement = compiled("SELECT " + text.replace("{", "{{").replace("}", "}}"), "?")
    except StatementError:
        return
    assert (statement.text, statement.names) == (f"SELECT {text}", ())


@given(st.text(alphabet="a{}'\"-/*$\n eE\\", max_size=40))
def test_any_text_is_a_statement_or_a_clear_error(text: str) -> None:
    try:
        compiled(text, "?")
    except ParameterError as error:
        assert "brace" in str(error)
    else:
        left = re.sub(r"\{\{|\}\}", "", text)
        assert left.count("{") == left.count("}")


@pytest.mark.parametrize(
    "quoted",
    ["'{a}'", "'it''s {a}'", '"{a}"', "`{a}`", "-- {a}", "/* {a} */", "$$ {a} $$", "E'\\'{a}'"],
)
def test_a_placeholder_in_quotes_or_a_comment_is_refused(quoted: str) -> None:
    with pytest.raises(ParameterError, match="not within quotes"):
        compiled(f"SELECT {quoted}", "?")


@pytest.mark.parametrize(
    "sql", ["SELECT '{{x}}'", "SELECT 'it''s' , {a}", "SELECT 1 -- it's\n, {a}", "SELECT 'x{a}"]
)
def test_what_ends_a_quote_is_known(sql: str) -> None:
    if sql.endswith("'x{a}"):
        with pytest.raises(ParameterError):
            compiled(sql, "?")
    else:
        assert "{a}" not in compiled(sql, "?").text


@pytest.mark.parametrize("sql", ["SELECT {", "SELECT }", "SELECT {1}", "SELECT {a b}", "SELECT {}"])
def test_a_brace_that_stands_alone_is_refused(sql: str) -> None:
    with pytest.raises(ParameterError, match="written twice"):
        compiled(sql, "?")


def test_a_parameter_too_many_or_too_few_is_named() -> None:
    statement = compiled("SELECT {a}, {b}", "?")
    with pytest.raises(ParameterError, match=r"\{b\} has no parameter; the parameter c has no"):
        statement.values({"a": 1, "c": 3})


@pytest.mark.parametrize(
    ("sql", "reads", "alone"),
    [
        ("SELECT 1", True, False),
        ("  -- first\n (select 1)", True, False),
        ("WITH x AS (SELECT 1) SELECT * FROM x", True, False),
        ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", False, False),
        ("SELECT 'insert into'", True, False),
        ("SELECT * INTO b FROM a", False, False),
        ("EXPLAIN ANALYZE DELETE FROM t", False, False),
        ("INSERT INTO t VALUES (1) RETURNING id", False, False),
        ("VACUUM", False, True),
        ("PRAGMA user_version", False, True),
        ("", False, False),
    ],
)
def test_what_only_reads_is_told_by_its_words(sql: str, reads: bool, alone: bool) -> None:
    statement = compiled(sql, "?")
    assert (statement.reads, statement.alone) == (reads, alone)


@pytest.mark.parametrize("sql", ["BEGIN", "commit", " /* x */ ROLLBACK", "SAVEPOINT x", "END;"])
def test_a_statement_that_begins_or_ends_a_transaction_is_refused(sql: str) -> None:
    with pytest.raises(StatementError, match="transaction\\(\\)"):
        compiled(sql, "?")


@pytest.mark.parametrize("sign", ["?", "$"])
def test_a_nul_is_refused_at_which_postgresql_would_cut_it_off(sign: str) -> None:
    with pytest.raises(StatementError, match="NUL"):
        compiled("DELETE FROM t\0 WHERE x = 1", sign)


@pytest.mark.parametrize(
    "sql", ["SELECT 1; COMMIT", "SELECT 1;; -- x\n SELECT 2", "DELETE FROM t;x"]
)
def test_postgresql_gets_one_statement_at_a_time(sql: str) -> None:
    with pytest.raises(StatementError, match="one statement at a time"):
        compiled(sql, "$")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1;",
        "SELECT ';x' ; ; -- ;x",
        "DO $$ BEGIN PERFORM 1; END $$;",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
    ],
)
def test_a_semicolon_alone_is_no_second_statement(sql: str) -> None:
    assert compiled(sql, "$").source == sql


def test_statements_are_remembered_but_not_without_bound() -> None:
    statements = Statements("?", most=2)
    first = statements.get("SELECT 1")
    assert statements.get("SELECT 1") is first
    statements.get("SELECT 2")
    statements.get("SELECT 3")
    assert statements.get("SELECT 1") is not first


def test_a_script_is_parted_into_its_statements() -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; DELETE FROM c; END"
    script = (
        f"CREATE TABLE a (x TEXT DEFAULT ';'); -- one; two\n{trigger}; INSERT INTO a VALUES (1)"
    )
    parts = [part.strip() for part in statements_of(script)]
    assert parts == [
        "CREATE TABLE a (x TEXT DEFAULT ';')",
        f"-- one; two\n{trigger}",
        "INSERT INTO a VALUES (1)",
    ]
    assert list(statements_of(" ; ")) == []
