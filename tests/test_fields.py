"""The fields of a record: their kinds, and their bounds in words."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from toolkit.fields import fields_of
from toolkit.secret import Secret
from toolkit.settings import Settings


def _check_even(number: int) -> None:
    if number % 2:
        raise ValueError("an even number")


Even = Annotated[int, Meta(extra={"check": _check_even})]


class Record(msgspec.Struct, kw_only=True):
    """A field of each kind: any Struct has fields."""

    needed: str
    max_delay_seconds: Annotated[float, Meta(gt=0, le=60, description="how long")] = 1.5
    perhaps: Annotated[int | None, Meta(description="or none")] = None
    bounded: Annotated[int, Meta(ge=1)] | None = None
    flag: bool = False
    names: tuple[Annotated[str, Meta(min_length=2)], ...] = ()
    levels: dict[str, Literal["low", "high"]] = {}
    choice: Literal["low", "high"] = "low"
    either: int | bool = 0
    pattern: Annotated[str, Meta(pattern="^[a-z]+$", max_length=9)] = "a"
    password: Secret | None = None
    even: Even = 0
    evens: Annotated[tuple[int, ...], Meta(extra={"check": _check_even})] = ()


FIELDS = {field.name: field for field in fields_of(Record)}


def test_fields_are_in_the_order_written_and_read_once() -> None:
    assert list(FIELDS) == list(Record.__struct_fields__)
    assert fields_of(Record) is fields_of(Record)


def test_a_field_knows_its_option_help_and_default() -> None:
    field = FIELDS["max_delay_seconds"]
    assert (field.option, field.help, field.default) == ("max-delay-seconds", "how long", 1.5)
    assert FIELDS["perhaps"].help == "or none"
    assert FIELDS["needed"].default is msgspec.NODEFAULT
    assert FIELDS["levels"].default == {}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("is_flag", ["flag"]),
        ("is_list", ["names", "evens"]),
        ("is_table", ["levels"]),
        ("is_secret", ["password"]),
    ],
)
def test_a_field_knows_its_kind(kind: str, names: list[str]) -> None:
    assert [field.name for field in FIELDS.values() if getattr(field, kind)] == names


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("needed", "text"),
        ("max_delay_seconds", "a number greater than 0 and at most 60"),
        ("perhaps", "a whole number"),
        ("bounded", "a whole number at least 1"),
        ("flag", "true or false"),
        ("names", "a list, each text of at least 2 in length"),
        ("levels", "a table, each value one of low, high"),
        ("choice", "one of low, high"),
        ("either", "a whole number or true or false"),
        ("pattern", "text of at most 9 in length and that matches ^[a-z]+$"),
        ("password", "text"),
    ],
)
def test_bounds_are_told_in_words(name: str, words: str) -> None:
    assert FIELDS[name].expected == words


def test_beside_a_secret_a_setting_names_its_file_unless_the_name_is_taken() -> None:
    class Account(Settings):
        """Secrets, one of them with a field of that name."""

        password: Secret
        token: Secret | None = None
        token_file: str = ""
        keys: tuple[Secret, ...] = ()

    settings = {field.name: field.file_setting for field in fields_of(Account)}
    assert settings == {"password": "password_file", "token": "", "token_file": "", "keys": ""}
    assert [field.name for field in fields_of(Account) if field.is_secret] == [
        "password",
        "token",
        "keys",
    ]
