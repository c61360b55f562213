"""What is named like a secret, or was told to be hidden, cannot be read in the log."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given, strategies as st
from twisted.logger import LogEvent, LogLevel, extractField
from twisted.python import log as legacy
from twisted.python.failure import Failure

from toolkit.log.jsonline import JsonFormat
from toolkit.log.message import without_legacy
from toolkit.log.secrets import Masks, is_secret
from toolkit.log.textline import TextFormat
from toolkit.settings import Secret

PASSWORD = "hunter2-correct-horse"


def event(message: str, /, **fields: Any) -> LogEvent:
    """An event as Logger makes it."""
    named = {"log_format": message, "log_level": LogLevel.info, "log_namespace": "shop"}
    return {**fields, **named, "log_time": 1e9}


def lines(given: LogEvent, masks: Masks | None = None) -> str:
    """The event's lines in every format."""
    masks = masks or Masks()
    renders = (JsonFormat(masks), TextFormat(masks), TextFormat(masks, terminal=True))
    return "".join(render(given).decode() for render in renders)


def read(given: LogEvent) -> dict[str, Any]:
    """The event's line of JSON, read back."""
    result: dict[str, Any] = json.loads(JsonFormat(Masks())(given))
    return result


@pytest.mark.parametrize(
    "name",
    [
        "password", "PASSWORD", "db_password", "password2", "passwd", "passphrase", "secret",
        "client-secret", "secretKey", "token", "accessToken", "X-Auth-Token", "tokens", "api_key",
        "apikey", "API-Key", "X-Api-Key", "userAPIKey", "Authorization", "Proxy-Authorization",
        "cookie", "Set-Cookie", "cookies", "credential", "credentials", "private_key", "my.token.x",
    ],
)  # fmt: skip
def test_a_name_with_a_word_for_a_secret_in_it_is_one(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["user", "tokenizer", "secretary", "passwordless", "key", "author", "cookiecutter", "", "_"],
)
def test_other_words_are_not(name: str) -> None:
    assert not is_secret(name)


def test_a_secret_field_is_masked_in_fields_and_message() -> None:
    given = event("{user} logs in with {db_password!r:>30}", user="ann", db_password=PASSWORD)
    assert read(given)["message"] == "ann logs in with ****"
    assert read(given)["db_password"] == "****"
    assert PASSWORD not in lines(given)


def test_a_secret_that_the_message_shows_masked_is_not_shown_again() -> None:
    line = TextFormat(Masks())(event("with {token}", token="abcdef", cookie="c")).decode()
    assert line.endswith("shop: with **** cookie=****\n")


@dataclass
class Login:
    """What a web application holds."""

    user: str
    password: str


class Options(msgspec.Struct):
    """The same of msgspec's."""

    api_key: str
    inner: Any = None


HEADERS = {b"Authorization": [PASSWORD.encode()], b"Accept": [b"*/*"]}


@pytest.mark.parametrize(
    "value",
    [
        HEADERS,
        [HEADERS],
        {"a": ({"x": HEADERS},)},
        Login("ann", PASSWORD),
        [Login("ann", PASSWORD)],
        Options(PASSWORD),
        Options("x", Login("ann", PASSWORD)),
        Secret(PASSWORD),
    ],
)
def test_a_secret_within_a_value_is_masked(value: Any) -> None:
    given = event("got {value} {value!r} {rows[0]}", value=value, rows=[value])
    assert PASSWORD not in lines(given)
    assert "****" in read(given)["message"]
    assert "MESSAGE LOST" not in read(given)["message"]


def test_what_is_not_secret_within_a_value_is_shown() -> None:
    given = event("got {login} {login.user} {headers}", login=Login("ann", "x"), headers=HEADERS)
    shown = "Login(user='ann', password=****) ann {b'Authorization': '****', b'Accept': [b'*/*']}"
    assert read(given)["message"] == f"got {shown}"


@pytest.mark.parametrize("message", ["{login.password}", "{table[password]}", "{token.value()}"])
def test_a_secret_that_the_message_looks_up_is_masked(message: str) -> None:
    given = event(message, login=Login("a", PASSWORD), table={"password": PASSWORD}, token=PASSWORD)
    assert read(given)["message"] == "****"


@pytest.mark.parametrize("message", ["{missing}", "{unclosed", "{user:no such}", "{} {0}"])
def test_a_message_that_cannot_be_made_does_not_tell_the_secret(message: str) -> None:
    given = event(message, password=PASSWORD, user="ann", headers=HEADERS)
    assert "Unable to format event" in read(given)["message"]
    assert PASSWORD not in lines(given)


def test_a_flattened_event_does_not_tell_the_secret() -> None:
    given = event("with {password} for {user}", password=PASSWORD, user="ann")
    extractField("user", given)
    assert PASSWORD in str(given["log_flattened"])
    assert read(given)["message"] == "with **** for ann"


def test_an_event_of_the_old_log_does_not_tell_the_secret() -> None:
    published: list[LogEvent] = []
    publisher = legacy.LogPublisher()
    publisher._publishPublisher.addObserver(published.append)
    publisher.msg(format="%(user)s with %(password)s", user="ann", password=PASSWORD)
    assert read(without_legacy(published[0]))["message"] == "ann with ****"
    assert PASSWORD not in lines(without_legacy(published[0]))


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://app:pw123@db:5432/x?y=a@b", "postgresql://****@db:5432/x?y=a@b"),
        ("https://ghp_token@github.com/a", "https://****@github.com/a"),
        ("amqp://u:p@ss@w@rd@host", "amqp://****@host"),
        ("see http://a:b@c and http://d:e@f.", "see http://****@c and http://****@f."),
        ("http://host/path@2x.png mail@host", "http://host/path@2x.png mail@host"),
        ("/reset?user=ann&token=abc&x=1", "/reset?user=ann&token=****&x=1"),
        (
            "https://h/?api_key=k#top, and ?a=1;sessionToken=2",
            "https://h/?api_key=****#top, and ?a=1;sessionToken=****",
        ),
        ("/?password=&q=what?token", "/?password=&q=what?token"),
        ('{"a":"http://host","b":"m@host"}', '{"a":"http://host","b":"m@host"}'),
    ],
)
def test_the_credentials_of_a_url_are_masked(url: str, masked: str) -> None:
    assert read(event("at {place}", place=url))["message"] == f"at {masked}"
    assert read(event("x", place=url, rows=[url], raw=url.encode()))["place"] == masked
    assert read(event("x", rows=[url], raw=url.encode()))["rows"] == [masked]
    assert read(event("x", raw=url.encode()))["raw"] == masked


def test_the_credentials_of_a_url_are_masked_in_a_traceback() -> None:
    try:
        raise ConnectionError(f"cannot reach https://ann:{PASSWORD}@db.example/")
    except ConnectionError:
        given = event("x", log_failure=Failure())
    given["error"] = given["log_failure"].value
    assert PASSWORD not in lines(given)
    assert "https://****@db.example/" in read(given)["traceback"]


def test_looking_for_urls_takes_no_time_whatever_the_text() -> None:
    began = time.monotonic()
    for text in (
        "://" * 40_000 + "@",
        "a" * 120_000 + "://@",
        "://" + "x@" * 60_000,
        "@" + "://a" * 30_000,
        "?" * 60_000 + "=" * 60_000,
        "?" + "a" * 120_000 + "=",
        "?token=" * 17_000,
    ):
        Masks().text(text)
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("hidden", [PASSWORD, 'a"b\\c\n', "pa ss/wörd&x", "1234567"])
def test_a_hidden_value_is_masked_wherever_it_appears(hidden: str) -> None:
    masks = Masks()
    masks.hide(hidden)
    try:
        raise ValueError(f"not {hidden!r} nor {hidden}")
    except ValueError:
        given = event(f"a {hidden} b {{value}}", value=hidden, log_failure=Failure())
    given["log_namespace"] = f"shop.{hidden}"
    given["rows"] = [{hidden: hidden, "raw": hidden.encode()}]
    given["quoted"] = f"?x={quote(hidden)}&y={quote(hidden, safe='')}"
    given["dumped"] = json.dumps({"x": hidden})
    if hidden.isdigit():
        given["number"] = int(hidden)
        given["numbers"] = [int(hidden)]
    for form in (hidden, repr(hidden)[1:-1], quote(hidden), json.dumps(hidden)[1:-1]):
        assert form not in lines(given, masks)
    assert "a **** b ****" in lines(given, masks)


def test_of_two_hidden_values_the_longer_is_masked_whole() -> None:
    masks = Masks()
    masks.hide("abcd")
    masks.hide("abcdefgh")
    assert masks.text("abcdefgh abcd") == "**** ****"


def test_each_line_of_a_secret_of_several_is_hidden() -> None:
    key = "-----BEGIN KEY-----\r\nMIIEvQIBADANBg/+\r\n  second+line==\nshort\n-----END KEY-----\n"
    masks = Masks()
    masks.hide(key)
    assert masks.text(f"the {key}.") == "the ****."
    assert masks.text("MIIEvQIBADANBg/+ second+line== short") == "**** **** short"
    assert masks.text("-----BEGIN KEY-----") == "-----BEGIN KEY-----"


def test_a_value_of_three_characters_is_not_hidden() -> None:
    masks = Masks()
    masks.hide("abc")
    masks.hide("")
    assert masks.text("abc abc") == "abc abc"


@given(st.integers(0, 70_000), st.integers(1, 400))
def test_a_secret_at_the_place_where_text_is_cut_is_not_half_shown(at: int, times: int) -> None:
    masks = Masks()
    masks.hide(PASSWORD)
    text = ("." * at + PASSWORD * times + ".") * (140_000 // (at + 21 * times) + 1)
    line = JsonFormat(masks)(event("x", text=text, raw=text.encode(), rows=[text])).decode()
    assert "hunter" not in line
    assert "horse" not in line
