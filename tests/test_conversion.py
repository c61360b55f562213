"""What was set is made to fit its field, or is a mistake in one line."""

from __future__ import annotations

import math
import re
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given, strategies as some

from tests.test_fields import Record
from toolkit.conversion import Value, converted
from toolkit.fields import Field, fields_of
from toolkit.secret import Secret
from toolkit.settings import Endpoint, Meta, Settings

FIELDS = {field.name: field for field in fields_of(Record)}


def given_as_text(field: str, text: str) -> Any:
    return converted(FIELDS[field], Value(text, "TOOLKIT_X", is_text=True))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("max_delay_seconds", "2", 2.0),
        ("bounded", "5", 5),
        ("flag", "TRUE", True),
        ("flag", "yes", True),
        ("flag", "On", True),
        ("flag", "NO", False),
        ("flag", "off", False),
        ("flag", "0", False),
        ("names", "ab, cd ,", ("ab", "cd")),
        ("names", '["a,b"]', ("a,b",)),
        ("names", "", ()),
        ("levels", "a.b=high,c = low", {"a.b": "high", "c": "low"}),
        ("needed", "5", "5"),
        ("password", "5", Secret("5")),
        ("evens", "2,4", (2, 4)),
    ],
)
def test_text_becomes_what_the_field_wants(name: str, text: str, value: object) -> None:
    assert given_as_text(name, text) == value


@pytest.mark.parametrize(
    ("name", "raw"), [("bounded", 1e9), ("needed", 5), ("perhaps", "5"), ("flag", 1)]
)
def test_what_a_file_holds_must_be_of_the_right_type_already(name: str, raw: object) -> None:
    with pytest.raises(ValueError, match=r"^site.toml: \[x\]: expected "):
        converted(FIELDS[name], Value(raw, "site.toml: [x]"))


def test_a_dotted_key_of_a_table_is_one_name() -> None:
    raw = {"a": {"b": "high", "c": {"d": "low"}}, "e.f": "low"}
    assert converted(FIELDS["levels"], Value(raw, "x")) == {
        "a.b": "high",
        "a.c.d": "low",
        "e.f": "low",
    }


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("even", "3", 'expected an even number, found "3"'),
        ("evens", "2,3", 'expected an even number, found "2,3"'),
        ("bounded", "1e9", 'expected a whole number at least 1, found "1e9"'),
        ("bounded", "2.0", 'expected a whole number at least 1, found "2.0"'),
        ("evens", "2,4e0", 'found "2,4e0"'),
        ("max_delay_seconds", "nan", "at most 60, found"),
        ("choice", "x" * 10_000, 'found "xxx'),
        ("needed", "caf\udce9", 'expected text in UTF-8, found "caf\\udce9"'),
        ("names", "ab,\udce9d", "expected text in UTF-8"),
        ("flag", "of", 'expected true or false, found "of"'),
        ("choice", "a\nb\x1b", r'found "a\nb\u001b"'),
    ],
)
def test_a_mistake_is_one_short_line_with_its_place(name: str, text: str, found: str) -> None:
    with pytest.raises(ValueError, match=r"^TOOLKIT_X: expected ") as caught:
        given_as_text(name, text)
    line = str(caught.value)
    assert found in line
    assert len(line) < 200
    assert line.isprintable()


def test_a_wrong_member_of_a_table_is_told_at_its_own_place() -> None:
    members = {"a": "site.toml:2: [x.levels] a", "b.c": "site.toml:3: [x.levels] b.c"}
    value = Value({"a": "high", "b": {"c": 1}}, "site.toml:1: [x] levels", members=members)
    with pytest.raises(ValueError, match="levels") as caught:
        converted(FIELDS["levels"], value)
    assert str(caught.value) == "site.toml:3: [x.levels] b.c: expected one of low, high, found 1"


def test_how_a_table_is_written_as_text_is_told() -> None:
    with pytest.raises(ValueError, match="TOOLKIT_X") as caught:
        given_as_text("levels", "a=loud")
    told = 'TOOLKIT_X: expected name=value,name=value, each value one of low, high, found "a=loud"'
    assert str(caught.value) == told


def test_a_date_is_shown_as_it_is_written() -> None:
    with pytest.raises(ValueError, match=r"found 2026-01-02$"):
        converted(FIELDS["needed"], Value(date(2026, 1, 2), "site.toml"))


def test_a_password_before_a_host_is_not_shown_even_without_a_scheme() -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        given_as_text("bounded", "bob:hunter2@a.example")
    assert "hunter2" not in str(caught.value)
    assert '"****@a.example"' in str(caught.value)


def test_a_wrong_secret_is_not_shown() -> None:
    with pytest.raises(ValueError, match="does not fit") as caught:
        converted(FIELDS["password"], Value(["hush"], "site.toml"))
    assert str(caught.value) == "site.toml: expected text, a secret that does not fit"


@given(some.sampled_from(list(FIELDS.values())), some.text() | some.floats().map(str))
def test_any_text_fits_or_is_a_mistake_in_one_line(field: Field, text: str) -> None:
    try:
        value = converted(field, Value(text, "TOOLKIT_X", is_text=True))
    except ValueError as error:
        assert str(error).startswith("TOOLKIT_X: expected ")
        assert len(str(error).splitlines()) == 1
    else:
        assert not isinstance(value, float) or math.isfinite(value)


class Nested(Settings):
    """Endpoints inside other types."""

    one: Endpoint | None = None
    many: tuple[Endpoint, ...] = ()


def test_a_check_is_found_inside_an_optional_and_a_list() -> None:
    fields = {field.name: field for field in fields_of(Nested)}
    for name, wrong in (("one", "nowhere"), ("many", ["tcp:0", "nowhere"])):
        assert fields[name].help
        with pytest.raises(ValueError, match="expected an endpoint such as"):
            converted(fields[name], Value(wrong, "site.toml"))
    assert converted(fields["many"], Value(["tcp:0"], "site.toml")) == ("tcp:0",)


def test_in_a_file_true_is_true_and_no_word_for_it() -> None:
    with pytest.raises(ValueError, match="expected true or false"):
        converted(FIELDS["flag"], Value("yes", "site.toml"))


@pytest.mark.parametrize("raw", [[1.0, math.nan], (math.inf,)])
def test_a_number_that_is_not_finite_is_found_in_a_list(raw: Any) -> None:
    class Many(Settings):
        """Numbers."""

        numbers: tuple[float, ...] = ()

    [field] = fields_of(Many)
    with pytest.raises(ValueError, match="expected a list, each a number"):
        converted(field, Value(raw, "site.toml"))


def test_a_number_of_thousands_of_digits_is_told_in_few_words() -> None:
    with pytest.raises(ValueError, match="expected text, found a huge number"):
        converted(FIELDS["needed"], Value(16**9000, "site.toml"))


def _check_broken(value: int) -> None:
    raise KeyError(value)


def test_whatever_a_check_raises_is_told() -> None:
    class Checked(Settings):
        """One that is broken."""

        number: Annotated[int, Meta(extra={"check": _check_broken})] = 0

    [field] = fields_of(Checked)
    told = "expected another value (KeyError: 3), found 3"
    with pytest.raises(ValueError, match=re.escape(told)):
        converted(field, Value(3, "site.toml"))


class Kind(Enum):
    """Two of them."""

    PLAIN = "plain"
    RICH = "rich"


class Strange(Settings):
    """Types that TOML, or text, has no word for."""

    folder: Path = Path()
    day: date = date(2026, 1, 1)
    kinds: tuple[Kind, ...] = ()


@pytest.mark.parametrize(
    ("name", "value", "made"),
    [
        ("folder", Value("/srv", "x"), Path("/srv")),
        ("folder", Value("/srv", "x", is_text=True), Path("/srv")),
        ("day", Value(date(2026, 2, 3), "x"), date(2026, 2, 3)),
        ("day", Value("2026-02-03", "x", is_text=True), date(2026, 2, 3)),
        ("kinds", Value(["rich"], "x"), (Kind.RICH,)),
    ],
)
def test_other_types_are_made_of_text_and_of_tomls(name: str, value: Value, made: object) -> None:
    assert converted({field.name: field for field in fields_of(Strange)}[name], value) == made


@pytest.mark.parametrize(
    ("name", "expected"),
    [("folder", "text"), ("day", "a date"), ("kinds", "a list, each one of plain, rich")],
)
def test_other_types_are_told_in_words(name: str, expected: str) -> None:
    field = {field.name: field for field in fields_of(Strange)}[name]
    with pytest.raises(ValueError, match=f"expected {expected}, found 3"):
        converted(field, Value(3, "site.toml"))


def _check_long(secret: Secret) -> None:
    if len(secret.reveal()) < 8:
        raise ValueError(f"a longer one than {secret.reveal()}")


class Account(Settings):
    """A secret that is looked at."""

    password: Annotated[Secret, Meta(extra={"check": _check_long})] = Secret("hush-4711")


def test_a_secret_is_checked_wherever_it_comes_from_and_never_told(tmp_path: Path) -> None:
    [field] = fields_of(Account)
    (tmp_path / "secret").write_text("hush")
    path = Value(str(tmp_path / "secret"), "X_FILE", is_path=True)
    for value in (Value("hush", "X"), path):
        with pytest.raises(ValueError, match="expected text, a secret that does not") as caught:
            converted(field, value)
        assert "hush" not in str(caught.value)
        assert caught.value.__context__ is None
    (tmp_path / "secret").write_text("hush-hush")
    assert converted(field, path) == Secret("hush-hush")


def test_a_table_of_tables_keeps_them() -> None:
    class Nested(Settings):
        """Tables in a table."""

        limits: dict[str, dict[str, int]] = {}

    [field] = fields_of(Nested)
    raw = {"a": {"b": 1}, "c.d": {}}
    assert converted(field, Value(raw, "site.toml")) == raw
