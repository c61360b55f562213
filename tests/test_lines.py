"""The line of a key is the one in which it was written, or none."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, strategies as some

from toolkit.lines import key_lines

DOCUMENT = '''\
top = 1  # a comment with [brackets] and """

[log]
level = "info"
text = """
[service.no]
listen = "no" \\"""
"""
'single [quoted' = \'\'\'
a = 1
\'\'\'
[service . "echo"]
  listen . a = "}"
  listen . b = [
    "x = [", # ]
    { c = 1 },
  ]
  tight={ d.e = 1, f = { g = 2 } }
[[many]]
a = 1
[[many]]
a = 2
[last]
a = 2024-01-01 00:00:00
'''


def test_each_key_has_the_line_in_which_it_begins() -> None:
    assert key_lines(DOCUMENT) == {
        ("top",): 1,
        ("log",): 3,
        ("log", "level"): 4,
        ("log", "text"): 5,
        ("log", "single [quoted"): 9,
        ("service",): 12,
        ("service", "echo"): 12,
        ("service", "echo", "listen"): 13,
        ("service", "echo", "listen", "a"): 13,
        ("service", "echo", "listen", "b"): 14,
        ("service", "echo", "tight"): 18,
        ("service", "echo", "tight", "d"): 18,
        ("service", "echo", "tight", "d", "e"): 18,
        ("service", "echo", "tight", "f"): 18,
        ("service", "echo", "tight", "f", "g"): 18,
        ("many",): 19,
        ("last",): 23,
        ("last", "a"): 24,
    }


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "\r\n# one\r\n"])
def test_where_no_key_is_there_is_no_line(text: str) -> None:
    assert key_lines(text) == {}


def test_lines_may_end_as_on_windows() -> None:
    assert key_lines("a = 1\r\n\r\n[b]\r\nc = 1\r\n") == {("a",): 1, ("b",): 3, ("b", "c"): 4}


quotes = some.text("ab[]{}#=\"'\\\n ", max_size=12)
values = some.one_of(
    quotes.map(lambda text: '"""' + text.replace("\\", "\\\\").replace('"', '\\"') + '"""'),
    quotes.map(lambda text: "'''" + text.replace("'", "_") + "'''"),
    quotes.map(lambda text: "'" + text.replace("'", "_").replace("\n", "_") + "'"),
    some.just("[ # ]\n[],\n'x']"),
    some.just("{ a = ']', b.c = { d = 1 } }"),
)
comments = some.sampled_from(["", "\n", "# [ \"\"\" '''\n", "  \n"])


@given(some.lists(some.tuples(comments, values, comments), max_size=8))
def test_whatever_values_stand_between_them_each_key_is_where_it_was_written(
    entries: list[tuple[str, str, str]],
) -> None:
    text, written = "", {}
    for number, (before, value, after) in enumerate(entries):
        text += before
        written[(f"key{number}",)] = text.count("\n") + 1
        text += f"key{number} = {value} {after or chr(10)}"
    assert set(tomllib.loads(text)) == {key for (key,) in written}
    lines = key_lines(text)
    assert {key: line for key, line in lines.items() if len(key) == 1} == written
