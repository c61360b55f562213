"""Options become the settings of the Fetcher, and what is not given leaves them alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from apps.fetch.fetch_settings import fetch_settings
from apps.fetch.options import parser
from toolkit.errors import SettingsError
from toolkit.http.fetcher import FetchSettings

A = "http://a/"


def test_what_is_not_given_is_as_the_settings_have_it() -> None:
    assert fetch_settings(parser().parse_args([A])) == FetchSettings()


def test_nothing_is_a_value_too() -> None:
    options = parser().parse_args(["--max-redirects", "0", "--max-bytes", "2K", A])
    settings = fetch_settings(options)
    assert (settings.max_redirects, settings.max_bytes) == (0, 2048)


OPTIONS: dict[str, tuple[list[str], Any]] = {
    "concurrency": (["--concurrency", "3"], 3),
    "per_host": (["--per-host", "4"], 4),
    "rate": (["--rate", "0.5"], 0.5),
    "timeout_seconds": (["--timeout", "5"], 5.0),
    "connect_timeout_seconds": (["--connect-timeout", "6"], 6.0),
    "first_byte_timeout_seconds": (["--first-byte-timeout", "7"], 7.0),
    "stall_seconds": (["--stall-timeout", "8"], 8.0),
    "max_bytes": (["--max-bytes", "9K"], 9216),
    "max_redirects": (["--max-redirects", "1"], 1),
    "allow_downgrade": (["--allow-downgrade"], True),
    "retries": (["--retries", "0"], 0),
    "cacert": (["--cacert", "x.pem"], "x.pem"),
    "insecure": (["--insecure"], True),
    "public_only": (["--public-only"], True),
    "proxy": (["--proxy", "none"], "none"),
    "robots": (["--robots"], True),
    "cookies": (["--cookies"], True),
}


@pytest.mark.parametrize("field", FetchSettings.__struct_fields__)
def test_each_setting_has_its_option_which_sets_no_other(field: str) -> None:
    arguments, value = OPTIONS[field]
    found = msgspec.structs.asdict(fetch_settings(parser().parse_args([*arguments, A])))
    assert found == msgspec.structs.asdict(FetchSettings()) | {field: value}


def test_what_no_field_allows_is_one_line() -> None:
    options = parser().parse_args([A])
    options.max_redirects = 101  # which the option itself refuses
    with pytest.raises(SettingsError, match="max_redirects: expected a whole number") as raised:
        fetch_settings(options)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "least", "most"),
    [
        ("--concurrency", 1, 10_000),
        ("--per-host", 1, 10_000),
        ("--max-redirects", 0, 100),
        ("--retries", 0, 100),
    ],
)
def test_an_option_takes_no_number_that_the_settings_refuse(
    option: str, least: int, most: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (least, most):
        fetch_settings(parser().parse_args([option, str(number), A]))
    for number in (least - 1, most + 1):
        with pytest.raises(SystemExit):
            parser().parse_args([f"{option}={number}", A])
        assert f"expected a whole number from {least} to {most}" in capsys.readouterr().err
