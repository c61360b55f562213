"""Settings: bounds are kept, text is converted, and a mistake is told in one line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, strategies as some

from toolkit.errors import SettingsError
from toolkit.settings import Endpoint, Meta, Secret, Settings, Value, fields_of, nearest, resolve


class Everything(Settings):
    """One field of each kind.

    More about it.
    """

    name: Annotated[str, Meta(min_length=1, description="what it is called")] = "x"
    count: Annotated[int, Meta(ge=1, le=10, description="how many")] = 3
    seconds: Annotated[float, Meta(gt=0, description="how long")] = 1.5
    perhaps: float | None = None
    on: bool = False
    paths: tuple[str, ...] = ()
    numbers: tuple[Annotated[int, Meta(ge=0)], ...] = ()
    level: Literal["low", "high"] = "low"
    levels: dict[str, Literal["low", "high"]] = {}
    password: Secret | None = None
    listen: Endpoint = "tcp:0"


class Needs(Settings):
    """A field without a default."""

    url: str


def text(value: str) -> Value:
    return Value(value, "TOOLKIT_X", is_text=True)


def of_file(value: Any) -> Value:
    return Value(value, "site.toml: [x] key")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("name", text("5"), "5"),
        ("count", text("7"), 7),
        ("seconds", text("2"), 2.0),
        ("seconds", of_file(2), 2.0),
        ("perhaps", text("2.5"), 2.5),
        ("on", text("true"), True),
        ("on", text("0"), False),
        ("paths", text("a,b , c"), ("a", "b", "c")),
        ("paths", text('["a,b", "c"]'), ("a,b", "c")),
        ("paths", of_file(["a,b"]), ("a,b",)),
        ("numbers", text("1,2"), (1, 2)),
        ("level", text("high"), "high"),
        ("levels", of_file({"a": "high"}), {"a": "high"}),
        ("levels", of_file({"a": {"b": "high"}, "c.d": "low"}), {"a.b": "high", "c.d": "low"}),
        ("levels", text("a.b=high, c = low"), {"a.b": "high", "c": "low"}),
        ("password", text("hush"), Secret("hush")),
        ("listen", text("unix:/run/x.sock"), "unix:/run/x.sock"),
    ],
)
def test_a_value_is_taken_from_text_and_from_a_file(
    field: str, value: Value, expected: object
) -> None:
    settings, places = resolve(Everything, "x", [{field: value}])
    assert getattr(settings, field) == expected
    assert places[field] == value.place
    assert places["count" if field != "count" else "name"] == "default"


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("name", of_file(5), "expected text of at least 1 in length, found 5"),
        ("count", of_file(0), "expected a whole number at least 1 and at most 10, found 0"),
        ("count", of_file("3"), 'at most 10, found "3"'),
        ("count", of_file(True), "found true"),
        ("count", text("many"), 'found "many"'),
        ("seconds", of_file(-1), "expected a number greater than 0, found -1"),
        ("seconds", text("nan"), "expected a number greater than 0"),
        ("seconds", of_file(math.inf), "expected a number greater than 0"),
        ("on", text("perhaps"), "expected true or false"),
        ("paths", of_file("a"), "expected a list, each text"),
        ("paths", text("[1"), "expected a list, each text"),
        ("paths", of_file([1]), "expected a list, each text, found [1]"),
        ("level", of_file("middle"), "expected one of low, high"),
        ("levels", of_file({"a": 1}), "a: expected one of low, high, found 1"),
        ("levels", text("a"), "expected name=value,name=value, each value one of low, high"),
        ("password", of_file(17), "a secret that does not fit"),
        ("listen", of_file("tcp:99999"), "a port is 0 to 65535"),
        ("listen", of_file("tpc:80"), "expected an endpoint such as tcp:7000"),
        ("listen", of_file("tcp:"), "expected an endpoint"),
        ("listen", of_file(""), "expected an endpoint"),
    ],
)
def test_a_wrong_value_is_told_in_one_line(field: str, value: Value, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(Everything, "x", [{field: value}])
    [line] = str(caught.value).splitlines()
    assert line.startswith(value.place + ": ")
    assert told in line


def test_the_later_source_wins() -> None:
    sources = [{"count": of_file(1), "name": of_file("a")}, {"count": text("2")}]
    settings, places = resolve(Everything, "x", sources)
    assert (settings.count, settings.name) == (2, "a")
    assert places["count"] == "TOOLKIT_X"


def test_a_wrong_value_is_an_error_even_where_it_is_overridden() -> None:
    with pytest.raises(SettingsError, match="found 99"):
        resolve(Everything, "x", [{"count": of_file(99)}, {"count": text("2")}])


def test_an_unknown_name_is_told_with_the_nearest_one() -> None:
    with pytest.raises(SettingsError, match="unknown setting; did you mean 'seconds'"):
        resolve(Everything, "x", [{"secnods": of_file(1)}])


def test_every_mistake_is_found_those_of_the_command_line_first() -> None:
    table = {"secnods": of_file(1), "count": of_file(0), "level": of_file("x")}
    options = {name: Value("x", f"--{name}", True, True) for name in ("count", "on")}
    with pytest.raises(SettingsError) as caught:
        resolve(Everything, "x", [table, options])
    places = [line.partition(":")[0] for line in caught.value.problems]
    assert places == ["--count", "--on", "site.toml", "site.toml", "site.toml"]
    assert caught.value.on_command_line


def test_a_mistake_on_the_command_line_is_one() -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(Everything, "x", [{"count": Value("x", "--count", True, True)}])
    assert caught.value.on_command_line


def test_a_field_without_a_default_must_be_set() -> None:
    with pytest.raises(SettingsError, match=r"\[x\]: url is not set; expected text"):
        resolve(Needs, "[x]", [])


class Account(Settings):
    """A needed secret, and other fields."""

    password: Secret
    url: str
    tokens: tuple[Secret, ...] = ()


def problems_of(*sources: dict[str, Value]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        resolve(Account, "[x]", sources)
    return caught.value.problems


def test_what_is_missing_is_told_beside_what_is_wrong() -> None:
    assert problems_of({"password": of_file(3)}) == [
        "site.toml: [x] key: expected text, a secret that does not fit",
        "[x]: url is not set; expected text",
    ]


def test_what_is_misspelt_is_not_told_as_missing_too() -> None:
    [line] = problems_of({"passwrod": of_file("a"), "url": of_file("b")})
    assert line == "site.toml: [x] key: unknown setting; did you mean 'password'?"


def test_a_secret_is_read_from_the_file_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    named = {"password_file": of_file(str(tmp_path / "secret")), "url": of_file("u")}
    settings, places = resolve(Account, "[x]", [named])
    assert settings.password == Secret("hush")
    assert places["password"] == "site.toml: [x] key"
    over, _ = resolve(Account, "[x]", [named, {"password": text("other")}])
    assert over.password == Secret("other")
    literal = {"password": of_file("other"), "url": of_file("u")}
    variable = {"password_file": text(str(tmp_path / "secret"))}
    again, _ = resolve(Account, "[x]", [literal, variable])
    assert again.password == Secret("hush")


def test_a_secret_and_its_file_in_one_source_are_a_mistake(tmp_path: Path) -> None:
    source = {"password": of_file("a"), "password_file": text("/x"), "url": of_file("u")}
    assert problems_of(source) == ["TOOLKIT_X: set it or password, not both"]


@pytest.mark.parametrize("raw", [3, "/no/such/file", "\0", ""])
def test_a_file_of_a_secret_that_cannot_be_read_is_one_line(raw: object) -> None:
    [line] = problems_of({"password_file": of_file(raw), "url": of_file("u")})
    assert line.startswith("site.toml: [x] key: expected ")
    assert "of a file" in line or "a file with the secret; " in line


@pytest.mark.parametrize("name", ["password", "tokens"])
def test_the_mask_is_no_secret_unless_it_is_set_anew(name: str) -> None:
    raw = "****" if name == "password" else ["a", "****"]
    source = {"password": of_file("a"), "url": of_file("u")} | {name: of_file(raw)}
    told = "site.toml: [x] key: expected the secret itself, found ****"
    assert problems_of(source) == [told]
    settings, _ = resolve(Account, "[x]", [source, {name: text("hush")}])
    assert Secret("****") not in [settings.password, *settings.tokens]


@pytest.mark.parametrize("typed_last", [True, False])
def test_a_mask_on_the_command_line_is_a_mistake_there(tmp_path: Path, typed_last: bool) -> None:
    (tmp_path / "masked").write_text("****\n")
    raw = str(tmp_path / "masked")
    typed = {"password_file": Value(raw, "--password-file", is_text=True, on_command_line=True)}
    in_file = {"password_file": of_file(raw)}
    sources = [{"url": of_file("u")}, *([in_file, typed] if typed_last else [typed, in_file])]
    with pytest.raises(SettingsError, match="expected the secret itself") as caught:
        resolve(Account, "[x]", sources)
    assert caught.value.on_command_line is typed_last


def test_secrets_in_a_list_are_not_shown() -> None:
    [line] = problems_of(
        {"password": of_file("a"), "url": of_file("u"), "tokens": of_file(["hush", 3])}
    )
    assert "hush" not in line


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (ValueError("a must be below b"), "[x]: a must be below b"),
        (KeyError("a"), "[x]: KeyError: 'a'"),
        (SystemExit(3), "[x]: SystemExit: 3"),
        (SettingsError(["one", "two"]), "[x]: one\n[x]: two"),
    ],
)
def test_whatever_a_record_raises_is_told(raised: BaseException, told: str) -> None:
    class Strange(Settings):
        """Looks at its fields together."""

        def __post_init__(self) -> None:
            raise raised

    with pytest.raises(SettingsError) as caught:
        resolve(Strange, "[x]", [])
    assert str(caught.value) == told


def test_a_record_made_by_hand_keeps_the_same_bounds() -> None:
    with pytest.raises(SettingsError, match=r"Everything.count: expected a whole number"):
        Everything(count=11)
    assert Everything(count=10).count == 10


def test_a_record_is_frozen_and_knows_its_fields() -> None:
    record: Any = Everything
    settings = record(count=5)
    with pytest.raises(AttributeError):
        settings.count = 6
    with pytest.raises(TypeError):
        record(cuont=5)


def test_a_wrong_secret_is_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(Everything, "x", [{"password": of_file(["hush"])}])
    assert "hush" not in str(caught.value)


def test_nothing_near_is_no_hint() -> None:
    assert nearest("zzz", ["listen"]) == ""


plain = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=5,
)
names = some.sampled_from([field.name for field in fields_of(Everything)]) | some.text()


@given(some.dictionaries(names, plain), some.dictionaries(names, some.text()))
def test_whatever_is_set_makes_a_record_or_one_error(
    table: dict[str, Any], environment: dict[str, str]
) -> None:
    sources = [
        {name: of_file(value) for name, value in table.items()},
        {name: text(value) for name, value in environment.items()},
    ]
    try:
        settings, _ = resolve(Everything, "x", sources)
    except SettingsError as error:
        assert 1 <= len(str(error).splitlines()) <= 20
    else:
        assert 1 <= settings.count <= 10
