"""Options made from a record: what a person types, and what they read when it is wrong."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import pytest
from hypothesis import assume, given, strategies as some

from toolkit._options import RecordOptions, options_for
from toolkit.settings import Meta, Secret, Settings, Value, resolve
from toolkit.site import Table


class MailSettings(Settings):
    """Send mail."""

    host: Annotated[str, Meta(description="the server")]
    max_delay_seconds: Annotated[float, Meta(gt=0, description="how long")] = 1.5
    retries: Annotated[int, Meta(ge=0)] = 3
    quiet: Annotated[bool, Meta(description="say nothing")] = False
    verify: bool = True
    paths: Annotated[tuple[str, ...], Meta(description="what to send")] = ()
    kinds: tuple[Literal["text", "html"], ...] = ("text", "html")
    sender: str | None = None
    password: Annotated[Secret, Meta(description="for the server")] = Secret("hunter2")


def parsed(*arguments: str) -> RecordOptions:
    options = options_for(MailSettings, "Send mail.")()
    options.parseOptions(list(arguments))
    return options


def settings(*arguments: str) -> MailSettings:
    record, _ = resolve(MailSettings, "mail", [parsed("--host", "a", *arguments).given])
    return record


def shown() -> str:
    return " ".join(options_for(MailSettings, "Send mail.")().getUsage(200).split())


def test_help_shows_no_credentials_of_a_url() -> None:
    class UrlSettings(Settings):
        """Fetch."""

        urls: tuple[str, ...] = ("http://bob:hunter2@a.example/?api_key=KKK", "http://b.example/")
        proxy: str = "http://ann:hunter3@c.example"

    help_text = " ".join(options_for(UrlSettings, "Fetch.")().getUsage(200).split())
    urls = "http://****@a.example/?api_key=****, http://b.example/"
    assert f"[default: {urls}]" in help_text
    assert "[default: http://****@c.example]" in help_text
    options = options_for(UrlSettings, "Fetch.")()
    in_force = UrlSettings(urls=("http://x:hunter4@d.example/",))
    places = {"urls": "TOOLKIT_MINE_URLS", "proxy": "default"}
    options.in_force = lambda: Table("mine", in_force, places)
    help_text = " ".join(options.getUsage(200).split())
    assert "[default: http://****@d.example/, from TOOLKIT_MINE_URLS]" in help_text


def test_help_shows_how_a_table_is_written() -> None:
    class LevelSettings(Settings):
        """Have levels."""

        levels: Annotated[dict[str, int], Meta(description="levels")] = {}

    options = options_for(LevelSettings, "Have levels.")()
    in_force = LevelSettings(levels={"a": 1, "b": 2})
    options.in_force = lambda: Table("mine", in_force, {"levels": "site.toml:2"})
    help_text = " ".join(options.getUsage(200).split())
    assert "levels (name=value,name=value) [default: a=1,b=2, from site.toml:2]" in help_text


def test_what_is_not_given_is_not_set() -> None:
    assert parsed().given == {}


def test_an_option_sets_its_field_and_knows_its_place() -> None:
    options = parsed("--max-delay-seconds=2", "--host", "mail.example")
    assert {name: one.raw for name, one in options.given.items()} == {
        "max_delay_seconds": "2",
        "host": "mail.example",
    }
    value = options.given["max_delay_seconds"]
    assert (value.place, value.is_text, value.on_command_line) == (
        "--max-delay-seconds",
        True,
        True,
    )


def test_the_last_of_an_option_counts_and_a_list_gathers_all() -> None:
    record = settings("--retries", "1", "--paths", "a,b", "--retries", "2", "--paths", "c")
    assert record.retries == 2
    assert record.paths == ("a,b", "c")


@pytest.mark.parametrize(
    ("arguments", "quiet", "verify"),
    [
        ([], False, True),
        (["--quiet", "--no-verify"], True, False),
        (["--quiet", "--no-quiet"], False, True),
        (["--no-verify", "--verify"], False, True),
    ],
)
def test_a_flag_is_turned_on_and_off(arguments: list[str], quiet: bool, verify: bool) -> None:
    record = settings(*arguments)
    assert (record.quiet, record.verify) == (quiet, verify)


def test_a_flags_place_is_what_was_typed() -> None:
    assert parsed("--no-verify").given["verify"].place == "--no-verify"


def test_an_option_may_be_shortened_while_it_is_clear() -> None:
    assert list(parsed("--max", "2", "--no-q").given) == ["max_delay_seconds", "quiet"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--max-dealy-seconds", "1"], "did you mean '--max-delay-seconds'?; see --help"),
        (["--no-verfy"], "did you mean '--no-verify'?; see --help"),
        (["--zzz"], "option --zzz not recognized; see --help"),
        (["--p", "x"], "option --p not a unique prefix; see --help"),
        (["--retries"], "option --retries requires argument; see --help"),
        (["--quiet=yes"], "option --quiet must not have an argument; see --help"),
        (["-z"], "option -z not recognized; see --help"),
        (["extra", "more"], "unexpected argument 'extra'; see --help"),
    ],
)
def test_a_mistake_is_kept_to_be_told_with_the_others(arguments: list[str], told: str) -> None:
    [mistake] = parsed(*arguments).mistakes
    assert mistake.endswith(told)


def test_every_mistake_is_kept_and_the_rest_is_taken() -> None:
    options = parsed(
        "--zzz", "1", "--retries", "2", "--quiet=yes", "--verfy", "--paths", "a", "extra"
    )
    assert [mistake.partition("; ")[0] for mistake in options.mistakes] == [
        "option --zzz not recognized",
        "option --quiet must not have an argument",
        "option --verfy not recognized",
        "unexpected argument 'extra'",
    ]
    assert {name: one.raw for name, one in options.given.items()} == {
        "retries": "2",
        "paths": ["a"],
    }


def test_a_secret_has_an_option_that_names_a_file() -> None:
    value = parsed("--password-file", "/run/secret").given["password_file"]
    assert (value.raw, value.place) == ("/run/secret", "--password-file")
    assert "--password-file= a file that holds --password" in shown()


@given(some.lists(some.text() | some.sampled_from(["--host", "--quiet", "--no-q", "-x", "--p="])))
def test_no_arguments_give_a_traceback(arguments: list[str]) -> None:
    options = options_for(MailSettings, "Send mail.")()
    assume("--_shell-completion" not in arguments)
    try:
        options.parseOptions(arguments)
    except SystemExit as ended:
        assert not ended.code
    assert len(options.mistakes) <= len(arguments)


def test_help_shows_what_is_in_force_and_where_it_was_set() -> None:
    options = options_for(MailSettings, "Send mail.")()
    record, places = resolve(
        MailSettings,
        "mail",
        [{"retries": Value(7, "site.toml:3"), "host": Value("a", "TOOLKIT_MAIL_HOST")}],
    )
    options.in_force = lambda: Table("mail", record, places)
    text = " ".join(options.getUsage(200).split())
    assert "--retries= a whole number at least 0 [default: 7, from site.toml:3]" in text
    assert "--host= the server [default: a, from TOOLKIT_MAIL_HOST]" in text
    assert "--max-delay-seconds= how long [default: 1.5]" in text


def test_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed("--version")
    assert not ended.value.code
    assert re.fullmatch(r"twisted-app-toolkit \d\S+\n", capsys.readouterr().out)


def test_help_says_what_each_option_is_and_what_it_is_without_it() -> None:
    text = shown()
    assert "Send mail." in text
    for told in (
        "--host= the server [required]",
        "--max-delay-seconds= how long [default: 1.5]",
        "--retries= a whole number at least 0 [default: 3]",
        "--quiet say nothing [default: off]",
        "--no-quiet turn --quiet off",
        "--verify true or false [default: on]",
        "--paths= what to send (may be repeated) [default: none]",
        "(may be repeated) [default: text, html]",
        "--sender= text [default: none]",
    ):
        assert told in text


def test_help_does_not_show_a_secret() -> None:
    assert "--password= for the server [default: ****]" in shown()
    assert "hunter2" not in shown()
