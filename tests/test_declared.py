"""A record that could not be options, variables and a table is found when it is declared."""

from __future__ import annotations

import datetime
import types
from typing import Annotated, Any

import pytest
from msgspec import Meta

from toolkit.database.settings import DatabaseSettings
from toolkit.declared import problems_of
from toolkit.http.settings import AgentSettings, FetchSettings
from toolkit.log import LogSettings
from toolkit.services import SERVICES, load
from toolkit.settings import Secret, Settings


def record(**fields: tuple[Any, Any]) -> type[Settings]:
    """A record whose fields have these types and defaults."""

    def fill(namespace: dict[str, Any]) -> None:
        namespace["__module__"] = __name__
        namespace["__annotations__"] = {name: kind for name, (kind, _) in fields.items()}
        namespace.update({name: default for name, (_, default) in fields.items()})

    made: type[Settings] = types.new_class("Odd", (Settings,), {}, fill)
    return made


class Word(str):
    """A type of one's own."""


def _refuse(_value: object) -> None:
    raise ValueError("a check should not have been asked")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"kind": (str, "")}, "kind cannot be a setting: in a file, kind says what a service is"),
        ({"x": (int, 1)}, "x cannot be an option: with one letter it would be a short one, -x"),
        ({"help": (int, 1)}, "help cannot be an option: every service has a --help of its own"),
        ({"version": (int, 1)}, "version cannot be an option: every service has a --version of"),
        ({"_aa": (int, 1)}, "_aa cannot be an option: it would be ---aa"),
        (
            {"on_top": (bool, True), "no_on_top": (int, 1)},
            "no_on_top cannot be an option: --no-on-top turns --on-top off",
        ),
        (
            {"word": (Secret | None, None), "word_file": (str, "")},
            "word_file cannot be a setting: beside the secret word, it names the file to read that",
        ),
        (
            {"number": (int, "x")},
            "number has a default that it cannot have: its default: expected a whole number",
        ),
        ({"number": (int, None)}, "number has a default that it cannot have"),
        ({"share": (Annotated[float, Meta(le=1)], 1.5)}, "share has a default that it cannot have"),
        ({"names": (tuple[int, ...], ("a",))}, "names has a default that it cannot have"),
    ],
)
def test_what_a_field_cannot_be_is_told_with_the_reason(
    fields: dict[str, tuple[Any, Any]], told: str
) -> None:
    [problem] = problems_of(record(**fields))
    assert problem.startswith(f"Odd.{told}")
    assert problem.endswith("; give it another name") is ("cannot be" in told)


@pytest.mark.parametrize(
    "fields",
    [
        {"delay": (int, 1), "no_delay": (int, 1)},
        {"no_delay": (bool, False)},
        {"word": (str, ""), "word_file": (str, "")},
        {"path_file": (str, "")},
        {"share": (float, 1)},
        {"word": (Annotated[str, Meta(pattern="^a")], Word("b"))},
        {"since": (Any, datetime.date(2024, 2, 29))},
        {"even": (Annotated[int, Meta(extra={"check": _refuse})], 1)},
    ],
)
def test_what_only_looks_like_it_is_fine(fields: dict[str, tuple[Any, Any]]) -> None:
    assert problems_of(record(**fields)) == []


def test_every_field_that_cannot_be_is_told_in_the_order_written() -> None:
    odd = record(version=(int, 1), good=(int, 1), kind=(str, ""), number=(int, ""))
    assert [problem.split()[0] for problem in problems_of(odd)] == [
        "Odd.version",
        "Odd.kind",
        "Odd.number",
    ]


def test_annotations_that_name_nothing_are_one_line() -> None:
    assert problems_of(record(what=("Unknown", 1))) == [
        "the fields of Odd cannot be understood: NameError: name 'Unknown' is not defined"
    ]


@pytest.mark.parametrize("ours", [AgentSettings, DatabaseSettings, FetchSettings, LogSettings])
def test_the_records_of_helpers_can_be_declared(ours: type[Settings]) -> None:
    assert problems_of(ours) == []


@pytest.mark.parametrize("name", SERVICES)
def test_the_records_of_our_services_can_be_declared(name: str) -> None:
    assert problems_of(load(name).settings) == []
