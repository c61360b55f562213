"""What is shown of a site can be loaded again, and gives the same site."""

from __future__ import annotations

import math
import tomllib
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as some

from toolkit.document import TABLES, Document
from toolkit.errors import SettingsError
from toolkit.fields import Field, fields_of
from toolkit.service import Declaration
from toolkit.services import SERVICES, load
from toolkit.settings import Meta, Secret, Settings, Value, resolve
from toolkit.site import ServiceTable, Site, Table, settle
from toolkit.toml import shown


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "site.toml"


def document(file: Path, content: str) -> Document:
    file.write_text(content)
    return Document(str(file))


def settings_of(site: Site) -> list[Settings]:
    return [table.settings for table in [*site.shared.values(), *site.services]]


def test_each_value_has_where_it_came_from(file: Path) -> None:
    content = """
        [log]
        levels = { "a.b" = "debug" }
        [service.inbox]
        kind = "poller"
        paths = ["/srv/\\u0001\\u007f\\"in box\\"/*.csv", "/ü"]
        [service.echo]
        idle_seconds = 7
    """
    site = settle(document(file, content), {"TOOLKIT_ECHO_DRAIN_SECONDS": "1"})
    text = shown(site)
    assert f"idle_seconds = 7.0  # {file}:8: [service.echo] idle_seconds\n" in text
    assert "drain_seconds = 1.0  # TOOLKIT_ECHO_DRAIN_SECONDS\n" in text
    assert "max_connections = 1000  # default\n" in text
    assert "# file is not set\n" in text
    assert '\n\n[service.inbox]\nkind = "poller"\npaths = ' in text
    again = settle(document(file, text), {})
    assert settings_of(again) == settings_of(site)


ENDPOINTS = some.sampled_from(["tcp:0", "tcp:80:interface=\\:\\:1", "unix:/run/a b.sock"])
LEAVES: dict[Any, some.SearchStrategy[Any]] = {
    bool: some.booleans(),
    int: some.integers(0, 1_000_000),
    float: some.floats(min_value=0, max_value=100_000) | some.just(5e-324),
    str: some.text(some.characters(exclude_categories=["Cs"])),
}


def raw_of(field: Field) -> some.SearchStrategy[Any]:
    """What somebody might set for a field."""
    if field.name == "listen":
        return ENDPOINTS
    if field.name == "url":
        return some.sampled_from(["sqlite:a b.db?mode=ro", "sqlite::memory:", "postgresql://h/ü"])
    if field.name == "urls":
        return some.lists(some.sampled_from(["http://a/", "https://b.example/ü?x=1"]), min_size=1)
    return raw_for(field.type)


def raw_for(kind: Any) -> some.SearchStrategy[Any]:
    if kind in LEAVES:
        return LEAVES[kind]
    inner = get_args(kind)
    if kind is Secret or Secret in inner:
        return some.text(some.characters(exclude_categories=["Cs"]))
    if inner and str(kind).startswith("typing.Literal"):
        return some.sampled_from(inner)
    if str(kind).startswith("tuple"):
        return some.lists(raw_for(inner[0]), max_size=3)
    if str(kind).startswith("dict"):
        return some.dictionaries(LEAVES[str], raw_for(inner[1]), max_size=3)
    return raw_for(inner[0])  # of Annotated and of an optional one


def table_of(record: type[Settings]) -> some.SearchStrategy[dict[str, Any]]:
    """Some of the fields of a record, each with a value that it accepts."""
    # A secret that is shown is none: another test.
    fields = {field.name: raw_of(field) for field in fields_of(record) if not field.is_secret}
    some_of_them = some.fixed_dictionaries({}, optional=fields)
    return some_of_them.map(lambda table: accepted(record, table))


def accepted(record: type[Settings], table: dict[str, Any]) -> dict[str, Any]:
    from toolkit.conversion import converted

    kept = {}
    for field in fields_of(record):
        if field.name in table:
            try:
                converted(field, Value(table[field.name], ""))
            except ValueError:
                continue
            kept[field.name] = table[field.name]
    return kept


def site_tables(name: str) -> some.SearchStrategy[dict[str, dict[str, Any]]]:
    records = {**TABLES, f"service.{name}": load(name).settings}
    return some.fixed_dictionaries({key: table_of(one) for key, one in records.items()})


def written(tables: dict[str, dict[str, Any]]) -> str:
    """The tables as TOML, by another way than the one that is tried."""
    return "".join(
        f"[{name}]\n" + "".join(f"{key} = {plain(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )


def plain(value: Any) -> str:
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(one):08x}" for one in value) + '"'
    if isinstance(value, list):
        return "[" + "".join(f"{plain(one)}," for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{plain(key)}={plain(one)}" for key, one in value.items()) + "}"
    return str(value).lower()


@given(some.fixed_dictionaries({name: site_tables(name) for name in SERVICES}))
@settings(max_examples=30, suppress_health_check=list(HealthCheck), deadline=None)
def test_of_every_service_shown_loaded_and_shown_again_is_the_same(
    file: Path, sites: dict[str, dict[str, dict[str, Any]]]
) -> None:
    needed = {"fetcher": {"urls": ["http://a/"]}, "poller": {"paths": ["/srv"]}}
    for name, tables in sites.items():
        service = {**needed.get(name, {}), **tables[f"service.{name}"]}
        try:
            site = settle(document(file, written({**tables, f"service.{name}": service})), {})
        except SettingsError as error:  # fields that do not go together
            assert "must be less than" in str(error) or "at least one" in str(error)
            continue
        first = shown(site)
        again = settle(document(file, first), {})
        assert settings_of(again) == settings_of(site)
        second = shown(again)
        assert tomllib.loads(second) == tomllib.loads(first)
        assert shown(settle(document(file, second), {})) == second


class Colour(Enum):
    """One that is not TOML's."""

    RED = "red"


class StrangeSettings(Settings):
    """Of every type that somebody might use."""

    when: datetime = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    day: date = date(2026, 1, 2)
    hour: time = time(3, 4)
    folder: Path = Path("/srv")
    colour: Colour = Colour.RED
    raw: bytes = b"\x00\xff"
    exact: Decimal = Decimal("1.5")
    numbers: dict[str, tuple[float, ...]] = msgspec.field(
        default_factory=lambda: {"a b": (1.0, 1e300)}
    )
    anything: Any = None
    never: float = math.inf
    several: tuple[Colour, ...] = (Colour.RED,)
    made: Annotated[Any, Meta(description="an object")] = object()
    password: Secret | None = None
    other: Secret | None = None
    default: Secret = Secret("hush-default")
    tokens: tuple[Secret, ...] = ()
    url: str = "http://user:hush@example.org/"
    urls: tuple[str, ...] = ()


def strange(*sources: dict[str, Value]) -> Site:
    record, places = resolve(StrangeSettings, "[service.x]", sources)
    declaration = Declaration(StrangeSettings, lambda _shared, _settings: None)  # type: ignore[arg-type,return-value]
    return Site({}, [ServiceTable("x", record, places, "x", declaration)])


def loaded(text: str) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads(text)["service"]["x"]
    return table


def of_file(table: dict[str, Any]) -> dict[str, Value]:
    return {name: Value(raw, f"site.toml: [x] {name}") for name, raw in table.items()}


def test_the_types_of_a_stranger_are_shown_and_loaded_where_they_can_be() -> None:
    text = shown(strange())
    table = loaded(text)
    [again] = settings_of(strange(of_file(table)))
    assert again == StrangeSettings()
    assert {"when", "day", "hour", "folder", "colour", "numbers", "several"} <= set(table)
    assert not {"made", "never", "anything"} & set(table)
    assert "# never = inf  # default\n" in text
    assert "# made = <object object at " in text


def test_a_secret_is_a_mask_that_is_refused_unless_it_is_set_anew(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush-of-a-file")
    given_ = {
        "password": "hush-4711",
        "other_file": str(tmp_path / "secret"),
        "tokens": ["hush-1", "hush-2"],
        "urls": ["http://user:hush@example.org/", "http://example.org/"],
    }
    text = shown(strange(of_file(given_)))
    assert "hush" not in text
    assert 'password = "****"  # site.toml: [x] password\n' in text
    assert f'other_file = "{tmp_path}/secret"  # site.toml: [x] other_file\n' in text
    assert '# default = "****"  # default\n' in text
    assert 'urls = ["http://****@example.org/", "http://example.org/"]  # site' in text
    assert '# url = "http://****@example.org/"  # default\n' in text
    table = of_file(loaded(text))
    with pytest.raises(SettingsError) as caught:
        strange(table)
    assert [line.partition(": expected")[0] for line in caught.value.problems] == [
        "site.toml: [x] password",
        "site.toml: [x] tokens",
        "site.toml: [x] urls",
    ]
    anew = {name: Value(given_[name], "TOOLKIT_X") for name in ("password", "tokens", "urls")}
    assert settings_of(strange(table, anew)) == settings_of(strange(of_file(given_)))


def test_a_credential_is_shown_as_one(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush")
    credential = Value(str(tmp_path / "secret"), "credential toolkit.x.password", is_path=True)
    text = shown(strange({"password": credential}))
    assert 'password = "****"  # credential toolkit.x.password\n' in text
    again = strange(of_file(loaded(text)), {"password": credential})
    assert settings_of(again) == settings_of(strange({"password": credential}))


@given(some.text(), some.text())
def test_no_place_and_no_name_breaks_a_line(place: str, text: str) -> None:
    class Odd(Settings):
        """Holds anything."""

        made: Any = None
        name: str = ""

    assume(text.isprintable() or text.encode("utf-8", "ignore").decode() == text)
    site = Site({"x": Table("x", Odd(made=1, name=text), {"made": place, "name": place})}, [])
    assert tomllib.loads(shown(site)) == {"x": {"made": 1, "name": text}}


@pytest.mark.parametrize("kind", [Literal["a"], int])
def test_what_is_none_is_said_to_be_not_set(kind: Any) -> None:
    record: Any = type("Odd", (Settings,), {"__annotations__": {"one": kind | None}, "one": None})
    site = Site({"x": Table("x", record(), {"one": "default"})}, [])
    assert shown(site) == "[x]\n# one is not set\n"
