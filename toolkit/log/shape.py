"""What is the same for all events that one place in a program logs."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from functools import partial
from string import Formatter
from typing import Any, NamedTuple

from twisted.logger import LogEvent

from toolkit.log.plain import FIRST_KEYS, Plain, plain_of
from toolkit.log.secrets import is_secret
from toolkit.log.shown import shown
from toolkit.secret import MASK

OWN_KEYS = (*FIRST_KEYS, "traceback")
"""The keys of a line that are not the event's fields."""

_STEP = re.compile(r"\.([^.\[\]]+)|\[([^\]]+)\]")

Step = Callable[[Any], Any]
Path = tuple[str, str, tuple[Step, ...]]


class Shape(NamedTuple):
    """What is the same for all events with one format and the same fields.

    `whole` and `paths` are what the format names: fields, and what is looked up inside of them
    (`{request.method}`), which `format` names anew. It is None when only Twisted can tell what
    it means. `fields` are those of the event that are no secrets, each with the name it has in
    a line; `unshown` those of them that the message does not show. `plain` is there if it has no
    secrets, and its message shows nothing but its fields, or the text that `logging` or the old
    log have made.
    """

    format: str | None
    whole: tuple[str, ...]
    paths: tuple[Path, ...]
    fields: tuple[tuple[str, str], ...]
    unshown: tuple[tuple[str, str], ...]
    secrets: tuple[str, ...]
    unshown_secrets: tuple[str, ...]
    plain: Plain | None


def shape_of(event: LogEvent) -> Shape:
    """The shape of an event, which is worked out once for each place in a program that logs."""
    format = event.get("log_format")  # noqa: A001 - the name it has in twisted.logger
    if type(format) is str:
        # A format made by the program as it goes may be long: those are not kept in memory.
        return (_shape_of if len(format) < 1000 else _shape_of.__wrapped__)(format, tuple(event))
    return _shape_of("" if format is None else None, tuple(event))


@functools.lru_cache(maxsize=1024)
def _shape_of(format: str | None, keys: tuple[Any, ...]) -> Shape:  # noqa: A002 - as above
    names: dict[Any, str] = {}
    for key in keys:
        name = key if isinstance(key, str) else shown(key)
        if name.startswith("log_"):
            continue
        while name in OWN_KEYS or name in names.values():
            name += "_"
        names[key] = name
    public = tuple((key, name) for key, name in names.items() if not is_secret(name))
    secret = tuple((key, name) for key, name in names.items() if is_secret(name))
    try:
        rewritten, whole, paths, told = _read(format or "")
    except ValueError:  # the braces do not match; Twisted has its own words for that
        rewritten, whole, paths, told = None, (), (), frozenset()
    if format is None or "log_flattened" in keys:
        rewritten = None
    plain = None
    if rewritten is not None and not paths and not secret and "log_failure" not in keys:
        plain = plain_of(rewritten, whole, dict(public))
    return Shape(
        rewritten,
        whole,
        paths,
        public,
        tuple((key, name) for key, name in public if key not in told),
        tuple(name for _, name in secret),
        tuple(name for key, name in secret if key not in told),
        plain,
    )


def _read(
    format: str,  # noqa: A002 - as above
) -> tuple[str | None, tuple[str, ...], tuple[Path, ...], frozenset[str]]:
    """The format anew, the fields and paths that it names, and what of the event it shows."""
    text = ""
    whole: list[str] = []
    paths: list[Path] = []
    told: set[str] = set()
    rewritable = True
    for literal, name, spec, conversion in Formatter().parse(format):
        text += literal.replace("{", "{{").replace("}", "}}")
        if name is None:
            continue
        first, steps = _steps(name)
        told.add(first)
        # Positions, and fields within a specification, are rare or wrong.
        rewritable = rewritable and "{" not in (spec or "") and not first.isdigit() and first != ""
        if any(is_secret(part) for part in re.split(r"[.\[\]()]+", name)):
            text += MASK
            continue
        if steps:
            paths.append((f"log_path{len(paths)}", first, steps))
            first = paths[-1][0]
        else:
            whole.append(first)
        text += "{" + first + (f"!{conversion}" if conversion else "")
        text += (f":{spec}" if spec else "") + "}"
    return text if rewritable else None, tuple(whole), tuple(paths), frozenset(told)


def _steps(name: str) -> tuple[str, tuple[Step, ...]]:
    """The field a name begins with, and what to do to come to the value it means."""
    first = re.split(r"[.\[]", name, maxsplit=1)[0]
    steps: list[Step] = []
    if first.endswith("()"):
        steps.append(_call)
    for attribute, index in _STEP.findall(name[len(first) :]):
        if index:
            steps.append(partial(_item, int(index) if index.isdecimal() else index))
        else:
            steps.append(partial(_attribute, attribute.removesuffix("()")))
            if attribute.endswith("()"):
                steps.append(_call)
    return first.removesuffix("()"), tuple(steps)


def _call(value: Any) -> Any:
    return value()


def _attribute(name: str, value: Any) -> Any:
    return getattr(value, name)


def _item(index: Any, value: Any) -> Any:
    return value[index]
